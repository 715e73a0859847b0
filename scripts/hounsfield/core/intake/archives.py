"""Files as they come: in a folder, inside a zip archive that is read in place, or one by one.

A zip's directory is read once; any process can then read a member by its offset, without opening the directory again.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.errors import MissingInput, Refused, UnusableSource
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.zip_members import LOCAL_HEADER, MAX_SIZE, Found, zip_members
from hounsfield.core.logs import logger
from hounsfield.core.storage.files import content_number

MAX_MEMBER_BYTES = 256 * 2**20  # far above any single-frame slice
FILES_PER_BLOCK = 65_536  # files that are Python objects at one time
REMEDY = {
    "links": ". Name what they lead to, or copy it there",
    "pipes, sockets or devices": "",
}  # for what is passed over


class Unread(NamedTuple):
    """Why a file that is listed cannot be read: a reason code and a line of explanation."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the input. `name` is its path below the folder, or inside the archive."""

    name: str
    container: str  # the folder or the archive
    size: int  # bytes, uncompressed
    stamp: int  # another one for a file that was changed, or that lies elsewhere
    offset: int = -1  # of the member's local header; -1 for a file in a folder
    packed: int = 0  # compressed bytes
    method: int = 0  # zip compression method
    checksum: int = 0  # CRC-32 of an archive's member
    below: str = ""  # the place of the container among several, with a slash at its end
    unread: Unread | None = None  # where that was known when it was listed

    @property
    def path(self) -> str:
        """Its path below all that was given: no other file has the same."""
        return self.below + self.name

    @property
    def label(self) -> str:
        """The path for tables and messages; bytes that are no text, as old media hold them, are escaped."""
        return self.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

    def read(self, limit: int | None = None) -> bytes:
        """The file's bytes. Raises Refused when it cannot be read; that costs this file alone.

        limit: bytes; None is MAX_MEMBER_BYTES.
        """
        if self.unread is not None:
            raise Refused(*self.unread)
        limit = MAX_MEMBER_BYTES if limit is None else limit
        if self.size > limit:
            raise Refused("file_too_large", f"{self.size} bytes, over the limit of {limit}")
        try:
            if self.offset < 0:
                return (Path(self.container) / self.name).read_bytes()
            return self._read_member()
        except OSError as error:
            raise Refused("unreadable_file", f"cannot be read: {error.strerror or type(error).__name__}") from error

    def _read_member(self) -> bytes:
        """By the offset alone: zipfile would read the whole directory again in every process."""
        with Path(self.container).open("rb") as file:
            file.seek(self.offset)
            header = file.read(LOCAL_HEADER.size)
            if len(header) < LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
                raise Refused("archive_damaged", "no member begins where the archive's directory says")
            name_length, extra_length = LOCAL_HEADER.unpack(header)[9:11]
            file.seek(name_length + extra_length, os.SEEK_CUR)
            packed = file.read(self.packed)
        if self.method == zipfile.ZIP_STORED:
            content = packed
        elif self.method == zipfile.ZIP_DEFLATED:
            try:
                # one byte over the declared size is enough to tell a bomb, and never more is inflated
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, self.size + 1)
            except zlib.error as error:
                raise Refused("archive_damaged", f"cannot be inflated: {error}") from error
        else:
            raise Refused("archive_method", f"zip compression method {self.method} is not read; use deflate or store")
        if len(content) != self.size or zlib.crc32(content) != self.checksum:
            raise Refused("archive_damaged", f"{len(content)} bytes do not match the archive's size and checksum")
        return content


class Container(NamedTuple):
    """A folder or an archive, and what stands before the names of its files where there are several."""

    path: str
    below: str = ""
    unread: Unread | None = None  # why none of its files that are listed can be read


class FileList(Sequence[SourceFile]):
    """The files of one or several sources, as columns: 56 bytes a file and its name; Python objects take 350.

    A file becomes an object where it is looked at.
    """

    def __init__(self, containers: Sequence[Container], names: pa.LargeBinaryArray, numbers: np.ndarray) -> None:
        """names: (N,) UTF-8, lone surrogates included. numbers: (7, N) int64, of SourceFile what is between its two
        paths, in its order, and the number of the container.
        """
        self.containers, self.names, self.numbers = tuple(containers), names, numbers

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> SourceFile: ...
    @overload
    def __getitem__(self, place: slice) -> FileList: ...
    def __getitem__(self, place: int | slice) -> SourceFile | FileList:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        return next(iter(self.take(np.array([range(len(self))[place]]))))

    def __iter__(self) -> Iterator[SourceFile]:
        for block in self.blocks(FILES_PER_BLOCK):
            yield from block

    def blocks(self, size: int) -> Iterator[list[SourceFile]]:
        """All files, at most `size` of them at a time."""
        for start in range(0, len(self), size):
            names = self.names[start : start + size].to_pylist()
            numbers = self.numbers[:, start : start + size].T.tolist()
            found = []
            for name, (length, stamp, offset, packed, method, checksum, number) in zip(names, numbers, strict=True):
                path, below, unread = self.containers[number]
                text = name.decode("utf-8", "surrogatepass")
                found.append(SourceFile(text, path, length, stamp, offset, packed, method, checksum, below, unread))
            yield found

    def take(self, places: np.ndarray) -> FileList:
        """The files at some places, (n,) integers or (N,) bool, in that order."""
        places = np.flatnonzero(places) if places.dtype == bool else places
        return FileList(self.containers, self.names.take(pa.array(places)), self.numbers[:, places])

    @property
    def labels(self) -> pa.Array:
        """The label of every file, (N,) text."""
        if len(self.containers) > 1:
            return pa.array([file.label for file in self], pa.string())
        try:
            return self.names.cast(pa.string())
        except pa.ArrowInvalid:  # some names are no text
            return pa.array([file.label for file in self], pa.string())

    @property
    def sizes(self) -> np.ndarray:
        """Bytes of every file, uncompressed, (N,) int64."""
        return self.numbers[0]

    @property
    def stamps(self) -> np.ndarray:
        """The stamp of every file, (N,) int64."""
        return self.numbers[1]


def list_files(source: Path) -> FileList:
    """All files of a folder (any depth, links not followed) or of a zip archive, sorted by name; or a file by itself.

    Raises MissingInput when there is no such source, BadInput when the archive's directory cannot be trusted.
    """
    if not source.exists():
        raise MissingInput(
            f"{one_line(source)} does not exist; name an archive (.zip), a folder or a file that is there"
        )
    if not source.is_dir() and not source.is_file():  # a pipe would be waited for without end
        raise MissingInput(f"{one_line(source)} is neither a folder nor a file; name the archive or the folder itself")
    alone = source.suffix.lower() != ".zip" and not source.is_dir() and not zipfile.is_zipfile(source)
    found = iter([_entry(source)]) if alone else _walk(source) if source.is_dir() else zip_members(source)
    return _file_list(found, _place_number(source), source.parent if alone else source)


def list_some(folder: Path, names: Iterable[str]) -> FileList:
    """Some files of a folder, by their paths below it, as `list_files` lists them among all."""
    entries = (_entry(folder / name, name[: name.rfind("/") + 1]) for name in names)
    return _file_list(entries, _place_number(folder), folder)


def list_unread(folder: Path, names: Iterable[str], unread: Unread) -> FileList:
    """Files of a folder that cannot be read, by their paths below it; they need not be there."""

    def entry(name: str) -> Found:
        there = (folder / name).is_file()
        return _entry(folder / name, name[: name.rfind("/") + 1]) if there else (name, 0, -1, 0, 0, 0, 0, 0, 0)

    listed = _file_list(map(entry, names), _place_number(folder), folder)
    return FileList([listed.containers[0]._replace(unread=unread)], listed.names, listed.numbers)


def joined(lists: Sequence[FileList]) -> FileList:
    """The files of several lists in one, sorted by path."""
    containers: list[Container] = []
    numbers = []
    for files in lists:
        numbers.append(np.concatenate([files.numbers[:-1], files.numbers[-1:] + len(containers)]))
        containers += files.containers
    found = FileList(containers, pa.concat_arrays([one.names for one in lists]), np.concatenate(numbers, axis=1))
    return found.take(pc.sort_indices(found.labels).to_numpy())


def _file_list(found: Iterator[Found], place: int, container: Path) -> FileList:
    names, numbers = [pa.array([], pa.large_binary())], [np.zeros((7, 0), np.int64)]
    while block := list(islice(found, FILES_PER_BLOCK)):
        texts, *rest = zip(*block, strict=True)
        names.append(pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.large_binary()))
        columns = np.array(rest, np.int64)  # (8, n)
        stamps = _mixed([np.full(len(block), place), columns[0], *columns[5:]])
        numbers.append(np.stack([columns[0], stamps, *columns[1:5], np.zeros_like(stamps)]))
    files = FileList([Container(str(container))], pa.concat_arrays(names), np.concatenate(numbers, axis=1))
    labels = files.labels
    if len(labels.unique()) < len(labels):  # one of them would be lost
        name = next(value["values"] for value in labels.value_counts().to_pylist() if value["counts"] > 1)
        raise UnusableSource(
            f"{one_line(container)}: {name!a} stands for two names, one of which is no text; rename it"
        )
    return files.take(pc.sort_indices(files.names).to_numpy())


def _place_number(source: Path) -> int:
    """A number that another folder, another archive, or another disc in the same drive does not have.

    A file that cannot change (on a read-only medium) is known by its place alone: there the medium's own facts count.
    """
    facts, system = source.stat(), os.statvfs(source)
    parts: list[object] = [str(source.resolve())]
    if not source.is_dir():
        parts += [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
    elif system.f_flag & os.ST_RDONLY:
        parts += [system.f_blocks, system.f_files, facts.st_mtime_ns, facts.st_ctime_ns]
    return content_number("\0".join(map(str, parts)).encode("utf-8", "surrogateescape"))


def _mixed(columns: Sequence[np.ndarray]) -> np.ndarray:
    """One number of 63 bits for each row of several columns of int64, (N,) int64: a change of any changes it."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:  # the finaliser of splitmix64 after each
        mixed = (mixed ^ column.view(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(1)).view(np.int64)


def _entry(file: Path | os.DirEntry[str], below: str = "") -> Found:
    """A file of a folder. below: the folder within the one that is listed, with a slash at its end."""
    facts = file.stat(follow_symlinks=False) if isinstance(file, os.DirEntry) else file.stat()
    changes = facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino % MAX_SIZE
    return (below + file.name, facts.st_size, -1, 0, 0, 0, *changes)


def _walk(root: Path) -> Iterator[Found]:
    """The files of a folder and of those below it. One folder is open at a time, and none is held as a list."""
    folders = [""]  # still to be listed: "" or "a/b/"
    passed_over: dict[str, list[str]] = {kind: [] for kind in REMEDY}
    while folders:
        below = folders.pop()
        try:
            with os.scandir(root / below) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{below}{entry.name}/")
                    elif entry.is_file(follow_symlinks=False):
                        yield _entry(entry, below)
                    else:
                        kind = "links" if entry.is_symlink() else "pipes, sockets or devices"
                        passed_over[kind].append(below + entry.name)
        except PermissionError:
            raise MissingInput(
                f"{one_line(root / below)} may not be read; give this user the permission, or leave it out"
            ) from None
    for kind, names in passed_over.items():
        if names:
            logger.warning("%d %s are not followed; the first: %s%s", len(names), kind, ascii(min(names)), REMEDY[kind])
