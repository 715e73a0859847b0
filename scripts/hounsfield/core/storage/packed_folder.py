"""Tar archives: packed so that the same files give the same bytes, unpacked so that nothing in them is trusted.

An archive of this project begins with CHECKSUMS.json, which lists the size and SHA-256 of every file after it.
Nothing is compressed: float data hardly get smaller, and a file that does not grow cannot overwhelm.
Foreign archives (plain or gzip) have no list; names, kinds, numbers and sizes are held against limits instead.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.logs import progress
from hounsfield.core.storage.files import value_digest, written_whole

CHECKSUMS = "CHECKSUMS.json"
BLOCK = tarfile.BLOCKSIZE  # 512 bytes
CHUNK = 2**20
MAX_LIST_BYTES = 16 * 2**20
MAX_MEMBERS = 100_000
MAX_LONG_NAME = 2**16  # bytes of an extended header
MAX_GROWTH = 50  # a foreign archive that unpacks to more than this many times its size was made to overwhelm
GZIP_MARK = b"\x1f\x8b"
FILE, FOLDER, LONG_NAME, EXTENDED, EXTENDED_FOR_ALL = b"0", b"5", b"L", b"x", b"g"
REFUSED_KINDS = {b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device", b"6": "named pipe"}
BAD_NAME = re.compile(r"^/|^[A-Za-z]:|\\|[\x00-\x1f\x7f]|(^|/)\.\.(/|$)|[^/]{256}")


@dataclass(frozen=True)
class Listed:
    """What the list of checksums says of one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Contents:
    """The head of an archive: facts about the whole, and its files by name in the order in which they are packed."""

    facts: dict[str, Any]
    files: dict[str, Listed]

    def as_bytes(self) -> bytes:
        """CHECKSUMS.json; it holds a checksum of itself as well."""
        files = [{"name": name, **asdict(file)} for name, file in self.files.items()]
        value = {"facts": self.facts, "files": files, "sha256": value_digest([self.facts, files])}
        return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def pack(target: Path, files: Mapping[str, Path], contents: Contents) -> None:
    """Write an archive, whole or not at all: CHECKSUMS.json, then `files` (name in the archive -> path).

    Every file is read once, and held against `contents` on the way. The same contents give the same bytes.
    Raises BadInput naming the file that is not the one listed.
    """
    with written_whole(target) as partial, partial.open("wb") as archive:
        head = contents.as_bytes()
        _write_header(archive, CHECKSUMS, len(head))
        archive.write(head + _padding(len(head)))
        for name, listed in progress(contents.files.items(), unit="file", label="pack"):
            _write_header(archive, name, listed.bytes)
            digest = hashlib.sha256()
            with files[name].open("rb") as file:
                size = _copy(file, archive, listed.bytes, digest.update)
                grown = file.read(1)
            if size != listed.bytes or grown or digest.hexdigest() != listed.sha256:
                raise BadInput(f"{files[name]} is not the file that its checksum describes; make it again")
            archive.write(_padding(size))
        archive.write(bytes(2 * BLOCK))


def read_contents(archive: Path) -> Contents:
    """Read only the head of an archive. Raises MissingInput, or BadInput when `pack` did not write it."""
    with _opened(archive) as file:
        return _read_head(archive, _members(archive, file))


def unpack(archive: Path, folder: Path) -> Contents:
    """Unpack an archive that `pack` wrote into `folder`, which should be empty.

    Every file is held against its checksum. Raises BadInput naming the first file that is not as listed, not listed, or
    missing. Nothing outside `folder` is ever written; what is in it after an error is to be thrown away.
    """
    with _opened(archive) as file:
        members = _members(archive, file)
        contents = _read_head(archive, members)
        waiting = dict(contents.files)
        _refuse_overflow(archive, folder, sum(listed.bytes for listed in waiting.values()))
        for member in progress(members, total=len(waiting), unit="file", label="unpack"):
            listed = waiting.pop(member.name, None)
            if listed is None:
                raise BadInput(f"{archive}: {member.name!r} is not in its list of checksums, or is there twice")
            if member.left != listed.bytes or _write_out(member, folder) != listed.sha256:
                raise BadInput(f"{archive}: {member.name} does not match its checksum; copy or download it again")
    if waiting:
        raise BadInput(f"{archive}: {len(waiting)} files of its list are missing, the first are {sorted(waiting)[:10]}")
    return contents


def unpack_foreign(archive: Path, folder: Path, *, wanted: Callable[[str], bool], max_bytes: int) -> list[Path]:
    """Unpack the wanted files of a tar or tar.gz that has no list of checksums.

    wanted: is asked with the file's name without folders. max_bytes: of all members together.
    Raises BadInput when a member is no plain file or folder or has a name that leads elsewhere, and at every limit.
    """
    written, total = [], 0
    with _opened(archive) as file:
        for member in progress(_members(archive, file), unit="file", label="unpack"):
            total += member.left
            if total > max_bytes:
                raise BadInput(f"{archive}: {member.name} leads over the limit of {max_bytes} bytes")
            _refuse_overflow(archive, folder, total, needed=member.left)
            if wanted(member.name.rpartition("/")[2]):
                _write_out(member, folder)
                written.append(folder / member.name)
    return written


class _Member:
    """One plain file while the archive is read past it."""

    def __init__(self, name: str, size: int, file: IO[bytes]) -> None:
        self.name, self.left, self._file = name, size, file

    def read(self, size: int) -> bytes:
        """At most `size` bytes, none at the end. Raises EOFError when the archive ends before the member does."""
        chunk = self._file.read(min(size, self.left))
        if not chunk and min(size, self.left):
            raise EOFError("it ends within a file")
        self.left -= len(chunk)
        return chunk


def _members(archive: Path, file: IO[bytes]) -> Iterator[_Member]:
    """Walk the plain files of an archive; what the caller leaves unread of a member is skipped.

    The headers are read here and not by tarfile, which takes a cut archive for a whole one and headers of any size.
    """
    seen: set[str] = set()
    extended: dict[str, str] = {}
    for _ in range(3 * MAX_MEMBERS):  # a file may have two headers of its own before the one proper
        block = _read_exactly(file, BLOCK)
        if block == bytes(BLOCK):  # the end; reading on makes gzip hold its own checksum against what was read
            if len(file.read(CHUNK)) == CHUNK:
                raise BadInput(f"{archive} goes on behind its end mark; it is not what it seems, and is not trusted")
            return
        header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        if header.type in (LONG_NAME, EXTENDED, EXTENDED_FOR_ALL):
            extended |= _read_extended(archive, file, header)
            continue
        name = extended.get("path", header.name).removeprefix("./").rstrip("/")
        size = int(extended.get("size", header.size))
        _refuse_member(archive, header, name, size, extended)
        extended = {}
        if header.type == FOLDER:
            continue
        if name in seen or len(seen) == MAX_MEMBERS:
            raise BadInput(f"{archive}: {name!r} is there twice, or is one of more than {MAX_MEMBERS} files")
        seen.add(name)
        member = _Member(name, size, file)
        yield member
        while member.read(CHUNK):
            pass
        _read_exactly(file, len(_padding(size)))
    raise BadInput(f"{archive}: more than {3 * MAX_MEMBERS} headers; it was made to overwhelm, and is not unpacked")


def _refuse_member(archive: Path, header: tarfile.TarInfo, name: str, size: int, extended: Mapping[str, str]) -> None:
    shown = repr(name[:80])
    if header.type not in (FILE, FOLDER, tarfile.AREGTYPE) or any(key.startswith("GNU.sparse") for key in extended):
        kind = REFUSED_KINDS.get(header.type, "special file")
        raise BadInput(f"{archive}: {shown} is a {kind}; only plain files and folders are unpacked")
    top_folder = header.type == FOLDER and name in ("", ".")
    if BAD_NAME.search(name) or (not name and not top_folder):
        raise BadInput(f"{archive}: the name {shown} leads out of the folder or is no name; nothing of it is trusted")
    if size < 0 or (header.type == FOLDER and size):
        raise BadInput(f"{archive}: {shown} has the size {size}; the archive is damaged")


def _read_extended(archive: Path, file: IO[bytes], header: tarfile.TarInfo) -> dict[str, str]:
    """The name or size that an extended header (GNU's long name, or pax) gives to the member after it."""
    if not 0 <= header.size <= MAX_LONG_NAME:
        raise BadInput(f"{archive}: an extended header of {header.size} bytes; it was made to overwhelm")
    content = _read_exactly(file, header.size + len(_padding(header.size)))[: header.size]
    if header.type == LONG_NAME:
        return {"path": content.rstrip(b"\0").decode()}
    records: dict[str, str] = {}
    while content:  # "<length> <key>=<value>\n", the length counting all of it
        length = int(content.partition(b" ")[0])
        key, equals, value = content[:length].partition(b" ")[2].partition(b"=")
        if length <= 0 or not equals:
            raise tarfile.ReadError("an extended header is damaged")
        if header.type == EXTENDED and (key in (b"path", b"size") or key.startswith(b"GNU.sparse")):
            records[key.decode()] = value.removesuffix(b"\n").decode()
        content = content[length:]
    return records


def _read_head(archive: Path, members: Iterator[_Member]) -> Contents:
    head = next(members, None)
    if head is None or head.name != CHECKSUMS or head.left > MAX_LIST_BYTES:
        raise BadInput(f"{archive} does not begin with {CHECKSUMS}; it is no archive that this project's export wrote")
    content = b"".join(iter(lambda: head.read(CHUNK), b""))
    try:
        value = json.loads(content)
        files = {str(file["name"]): Listed(str(file["sha256"]), int(file["bytes"])) for file in value["files"]}
        contents = Contents(dict(value["facts"]), files)
        whole = value["sha256"] == value_digest([value["facts"], value["files"]])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{archive}: its {CHECKSUMS} is no list of checksums ({type(error).__name__})") from error
    if not whole:
        raise BadInput(f"{archive}: its {CHECKSUMS} is damaged; copy or download the archive again")
    return contents


def _write_out(member: _Member, folder: Path) -> str:
    """Write one member below `folder` and return its SHA-256."""
    path = folder / member.name
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:  # the folder is ours and holds no links: what is there came from this archive
            while chunk := member.read(CHUNK):
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror})") from error
    return digest.hexdigest()


@contextmanager
def _opened(archive: Path) -> Iterator[IO[bytes]]:
    """Open a tar or tar.gz; what shows that it is damaged becomes BadInput."""
    if not archive.is_file():
        raise MissingInput(f"{archive} is missing, or is no file")
    try:
        with archive.open("rb") as raw:
            zipped = raw.read(len(GZIP_MARK)) == GZIP_MARK
            raw.seek(0)
            yield gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, ValueError) as error:
        raise BadInput(f"{archive} is no whole tar archive ({error}); copy or download it again") from error


def _refuse_overflow(archive: Path, folder: Path, total: int, *, needed: int | None = None) -> None:
    """Refuse members of `total` bytes that no honest archive of this size holds, or that the disk has no room for.

    needed: bytes still to be written, where they are fewer than `total`.
    """
    if total > MAX_GROWTH * archive.stat().st_size + CHUNK:
        raise BadInput(f"{archive} unpacks to more than {MAX_GROWTH} times its size; it was made to overwhelm")
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = total if needed is None else needed, shutil.disk_usage(folder).free
    if needed > free:
        raise BadInput(f"{archive}: {needed / 1e9:.1f} GB do not fit into {folder}, where {free / 1e9:.1f} GB are free")


def _write_header(archive: IO[bytes], name: str, size: int) -> None:
    """A header that holds nothing of the machine or the hour: mode 644, no owner, time 0."""
    header = tarfile.TarInfo(name)
    header.size = size
    archive.write(header.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict"))


def _copy(source: IO[bytes], target: IO[bytes], size: int, see: Callable[[bytes], None]) -> int:
    """Copy at most `size` bytes, showing each chunk to `see`. Returns how many there were."""
    left = size
    while left and (chunk := source.read(min(CHUNK, left))):
        see(chunk)
        target.write(chunk)
        left -= len(chunk)
    return size - left


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _read_exactly(file: IO[bytes], size: int) -> bytes:
    if len(content := file.read(size)) != size:
        raise EOFError("it ends too early")
    return content
