"""Files that appear whole or not at all, their digests, and the lock on an output folder."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.logs import logger

BYTES_PER_READ = 2**20
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success flush it to disk and rename it, on failure remove it.

    The temporary name is fixed, so that what a killed run left behind is overwritten by the next one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with unwritable_named(path):
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def unwritable_named(path: Path) -> Iterator[None]:
    """Turn what a full or read-only disk does to the writing of `path` into BadInput with the file and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise BadInput(
            f"{path}: cannot be written ({error.strerror}); what was there before is intact. Make room, or let this "
            "user write there, and start the same command again"
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, whole or not at all."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def json_values(value: Any) -> Any:
    """A value as it reads back from a JSON file: tuples become lists."""
    return json.loads(json.dumps(value, allow_nan=False))


def read_json(path: Path) -> Any:
    """Read a JSON file that a stage wrote. Raises MissingInput or BadInput, naming the file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON ({error}); remove it and run its stage again") from error


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing") from None


def file_checksum(path: Path) -> int:
    """CRC-32 of a file's bytes, as ZIP archives hold it. Raises MissingInput."""
    checksum = 0
    try:
        with path.open("rb") as file:
            while part := file.read(BYTES_PER_READ):
                checksum = zlib.crc32(part, checksum)
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing") from None
    return checksum


def content_number(content: bytes | memoryview, before: bytes = b"") -> int:
    """The first 63 bits of the SHA-256 of `before` and `content`: what a table keeps to tell contents apart.

    Among a million contents two that differ share a number with a probability of 5e-8.
    """
    digest = hashlib.sha256(before)
    digest.update(content)
    return digest_number(digest)


def digest_number(digest: hashlib._Hash) -> int:
    """The first 63 bits of a digest, as `content_number` gives them."""
    return int.from_bytes(digest.digest()[:8]) >> 1


def value_digest(value: Any) -> str:
    """SHA-256 of a JSON-like value; equal values give equal digests whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold `folder` for this process: a second run that would write there is refused.

    shared: hold it against writing only; others may read it, too.
    The lock belongs to the process alone, not to its children, so one that was killed leaves nothing to clear away.
    Raises WrongUse, and BadInput where the disk is full or may not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _open_lock(folder / ".lock", shared=shared)
    except OSError as error:
        if not shared or error.errno not in UNWRITABLE:
            with unwritable_named(folder):
                raise
        yield  # nobody can write here
        return
    with file:
        try:
            fcntl.lockf(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                doing = "writing" if shared else "reading or writing"
                raise WrongUse(f"{folder}: another run is {doing} here; wait for it or stop it") from None
            logger.warning("%s: its file system has no locks; make sure that no other run writes there", folder)
        yield


def _open_lock(path: Path, *, shared: bool) -> IO[str]:
    if shared:
        with suppress(FileNotFoundError):
            return path.open("r")
        path.touch()
        return path.open("r")
    return path.open("w")
