"""Tar archives: packed so that the same files give the same bytes, unpacked so that nothing in them is trusted.

An archive of this project begins with CHECKSUMS.json, which lists the size and SHA-256 of every file after it.
Nothing is compressed: float data hardly get smaller, and a file that does not grow cannot overwhelm.
Foreign archives (plain or gzip) have no list; names, kinds, numbers and sizes are held against limits instead.
"""

from __future__ import annotations

import gzip
import hashlib
import io
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
from typing import IO, Any, cast

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.logs import progress
from hounsfield.core.storage.files import atomic_write, value_digest

CHECKSUMS = "CHECKSUMS.json"
BYTES_PER_READ = 2**20  # no extended header is larger
MAX_LIST_BYTES = 16 * 2**20
MAX_MEMBERS = 100_000  # files and folders
MAX_GROWTH = 50  # unpacked bytes per byte of the archive; 1 MiB is always free
GZIP_MARK = b"\x1f\x8b"
BAD_NAME = re.compile(r"^$|^/|^[A-Za-z]:|\\|[\x00-\x1f\x7f]|(^|/)\.\.(/|$)|[^/]{256}")
DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, IndexError, RecursionError)


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
    head = Listed("", len(contents.as_bytes()))
    with atomic_write(target) as partial, tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(_header(CHECKSUMS, head), io.BytesIO(contents.as_bytes()))
        for name, listed in progress(contents.files.items(), unit="file", label="pack"):
            with files[name].open("rb") as file:
                source = _Digested(file)
                if os.fstat(file.fileno()).st_size == listed.bytes:
                    archive.addfile(_header(name, listed), cast(IO[bytes], source))
                if file.read(1) or source.digest.hexdigest() != listed.sha256:
                    raise BadInput(f"{files[name]} is not the file that its checksum describes; make it again")


class _Digested:
    """A file whose bytes are digested as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest, self._file = hashlib.sha256(), file

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self.digest.update(chunk)
        return chunk.ljust(size, b"\0")  # cut while it was read: the digest tells


def _header(name: str, listed: Listed) -> tarfile.TarInfo:
    """A header that holds nothing of the machine or the hour: mode 644, no owner, time 0."""
    header = tarfile.TarInfo(name)
    header.size = listed.bytes
    return header


def is_packed(archive: Path) -> bool:
    """True when an archive begins as those do that `pack` writes."""
    with archive.open("rb") as file:
        return file.read(len(CHECKSUMS) + 1) == f"{CHECKSUMS}\0".encode()


def read_contents(archive: Path) -> Contents:
    """Read only the head of an archive. Raises MissingInput, or BadInput when `pack` did not write it."""
    with _opened(archive) as opened:
        return _read_head(archive, opened, _members(archive, opened))


def unpack(archive: Path, folder: Path) -> Contents:
    """Unpack an archive that `pack` wrote into `folder`, which should be empty.

    Every file is held against its checksum. Raises BadInput naming the first file that is not as listed, not listed, or
    missing. Nothing outside `folder` is ever written; what is in it after an error is to be thrown away.
    """
    with _opened(archive) as opened:
        members = _members(archive, opened)
        contents = _read_head(archive, opened, members)
        waiting = dict(contents.files)
        _refuse_full_disk(archive, folder, sum(listed.bytes for listed in waiting.values()))
        for member in progress(members, total=len(waiting), unit="file", label="unpack"):
            listed = waiting.pop(member.name, None)
            if listed is None:
                raise BadInput(f"{archive}: {member.name!r} is not in its list of checksums, or is there twice")
            if member.size != listed.bytes or _write_out(opened, member, folder) != listed.sha256:
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
    with _opened(archive) as opened:
        for member in progress(_members(archive, opened), unit="file", label="unpack"):
            total += member.size
            if total > max_bytes:
                raise BadInput(f"{archive}: {member.name} leads over the limit of {max_bytes} bytes")
            if wanted(member.name.rpartition("/")[2]):
                _refuse_full_disk(archive, folder, member.size)
                _write_out(opened, member, folder)
                written.append(folder / member.name)
    return written


class _Stream:
    """What tarfile reads an archive from: in pieces of bounded size, and within the growth that is allowed."""

    def __init__(self, archive: Path, file: IO[bytes]) -> None:
        self.last = b""  # what was read last
        self._archive, self._file = archive, file
        self._end = MAX_GROWTH * archive.stat().st_size + BYTES_PER_READ

    def read(self, size: int) -> bytes:
        if not 0 <= size <= BYTES_PER_READ:
            raise tarfile.ReadError(f"an extended header of {size} bytes")
        self.refuse_growth(self.tell())
        try:
            self.last = self._file.read(size)
        except OSError as error:
            raise tarfile.ReadError(str(error)) from error
        return self.last

    def seek(self, place: int, _whence: int = 0) -> int:
        self.refuse_growth(place)
        return self._file.seek(max(place, 0))

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def refuse_growth(self, place: int) -> None:
        """Raise BadInput when an honest archive does not go on to this byte."""
        if place > self._end:
            raise BadInput(
                f"{self._archive} unpacks to more than {MAX_GROWTH} times its size; looks like a bomb; refused"
            )


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar or tar.gz; what shows that it is damaged becomes BadInput."""
    if not archive.is_file():
        raise MissingInput(f"{archive} is missing, or is no file")
    try:
        with archive.open("rb") as raw:
            zipped = raw.read(len(GZIP_MARK)) == GZIP_MARK
            raw.seek(0)
            stream = _Stream(archive, cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if zipped else raw)
            yield tarfile.TarFile(fileobj=cast(IO[bytes], stream))
    except DAMAGE as error:
        raise BadInput(f"{archive} is no whole tar archive ({error}); copy or download it again") from error


def _members(archive: Path, opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The plain files of an archive, once everything that is said of them was found harmless.

    tarfile takes what is cut or damaged between two files for the end; so its end mark is looked for.
    """
    stream = cast(_Stream, opened.fileobj)
    for number, member in enumerate(opened):
        if number == MAX_MEMBERS:
            raise BadInput(f"{archive}: more than {MAX_MEMBERS} files and folders; refused")
        member.name = member.name.removeprefix("./")
        _refuse_member(archive, member)
        stream.refuse_growth(member.offset_data + member.size)
        if not member.isdir():
            yield member
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends without an end mark")
    if len(stream.read(BYTES_PER_READ)) == BYTES_PER_READ:  # to its end, where gzip holds its own checksum
        raise BadInput(f"{archive} goes on behind its end mark; refused")


def _refuse_member(archive: Path, member: tarfile.TarInfo) -> None:
    shown = repr(member.name[:80])
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
    if not plain or member.issparse() or any(key.startswith("GNU.sparse") for key in member.pax_headers):
        raise BadInput(f"{archive}: {shown} is a link, a device or another special file; only plain files are unpacked")
    if BAD_NAME.search(member.name) and not (member.isdir() and not member.name):
        raise BadInput(f"{archive}: the name {shown} leads out of the folder or is no name; refused")
    if member.size < 0:
        raise BadInput(f"{archive}: {shown} has the size {member.size}; the archive is damaged")


def _read_head(archive: Path, opened: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> Contents:
    head = next(members, None)
    if head is None or head.name != CHECKSUMS or head.size > MAX_LIST_BYTES:
        raise BadInput(f"{archive} does not begin with {CHECKSUMS}; it is no archive that this project's export wrote")
    content = b"".join(_pieces(opened, head))
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


def _pieces(opened: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    source = cast(IO[bytes], opened.extractfile(member))
    while chunk := source.read(BYTES_PER_READ):
        yield chunk


def _write_out(opened: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    """Write one member below `folder` and return its SHA-256."""
    path = folder / member.name
    digest = hashlib.sha256()
    if hasattr(tarfile, "data_filter"):  # a second lock, in Python 3.11.4 and later
        tarfile.data_filter(member, str(folder))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:  # the folder is ours and holds no links: what is there came from this archive
            for chunk in _pieces(opened, member):
                digest.update(chunk)
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror})") from error
    return digest.hexdigest()


def _refuse_full_disk(archive: Path, folder: Path, needed: int) -> None:
    """Refuse files of `needed` bytes that the disk has no room for."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BadInput(f"{archive}: {needed / 1e9:.1f} GB do not fit into {folder}, where {free / 1e9:.1f} GB are free")
