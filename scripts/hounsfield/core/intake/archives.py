"""Files as they come: in a folder, or inside a zip archive that is read in place.

A zip's directory is read once; any process can then read a member by its offset, without opening the directory again.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.core.intake.zip_directory import read_directory
from hounsfield.core.logs import logger

LOCAL_HEADER = struct.Struct("<4s5HLLLHH")
MAX_MEMBER_BYTES = 256 * 2**20  # far above any single-frame slice
MAX_MEMBERS = 5_000_000
BLOCK = 65_536  # files that are Python objects at one time


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the input. `name` is its path below the folder, or inside the archive."""

    name: str
    container: str  # the folder or the archive
    size: int  # bytes, uncompressed
    stamp: int  # modification time in nanoseconds, or the archive member's CRC-32: tells a changed file
    offset: int = -1  # of the member's local header; -1 for a file in a folder
    packed: int = 0  # compressed bytes
    method: int = 0  # zip compression method

    @property
    def label(self) -> str:
        """The name for tables and messages; bytes that are no text, as old media hold them, are escaped."""
        return self.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

    def read(self) -> bytes:
        """The file's bytes. Raises Refused when it cannot be read; that costs this file alone."""
        if self.size > MAX_MEMBER_BYTES:
            raise Refused("file_too_large", f"{self.size} bytes, over the limit of {MAX_MEMBER_BYTES}")
        try:
            if self.offset < 0:
                return (Path(self.container) / self.name).read_bytes()
            return self._read_member()
        except OSError as error:
            raise Refused("unreadable_file", f"cannot be read: {error.strerror or type(error).__name__}") from error

    def _read_member(self) -> bytes:
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
        if len(content) != self.size or zlib.crc32(content) != self.stamp:
            raise Refused("archive_damaged", f"{len(content)} bytes do not match the archive's size and checksum")
        return content


class FileList(Sequence[SourceFile]):
    """The files of one source, held as columns: 40 bytes a file and its name, where Python objects take 350.

    A file becomes an object where it is looked at.
    """

    def __init__(self, container: str, names: pa.LargeBinaryArray, numbers: np.ndarray) -> None:
        """names: (N,) UTF-8, lone surrogates included. numbers: (5, N) int64, the rest of SourceFile in its order."""
        self._container, self._names, self._numbers = container, names, numbers

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> SourceFile: ...
    @overload
    def __getitem__(self, place: slice) -> FileList: ...
    def __getitem__(self, place: int | slice) -> SourceFile | FileList:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        size, stamp, offset, packed, method = self._numbers[:, place].tolist()
        return SourceFile(_text(self._names[place].as_py()), self._container, size, stamp, offset, packed, method)

    def __iter__(self) -> Iterator[SourceFile]:
        for block in self.blocks(BLOCK):
            yield from block

    def blocks(self, size: int) -> Iterator[list[SourceFile]]:
        """All files, at most `size` of them at a time."""
        for start in range(0, len(self), size):
            names, numbers = self._names[start : start + size], self._numbers[:, start : start + size]
            rows = zip(names.to_pylist(), *numbers.tolist(), strict=True)
            yield [
                SourceFile(_text(name), self._container, file_size, stamp, offset, packed, method)
                for name, file_size, stamp, offset, packed, method in rows
            ]

    def take(self, places: np.ndarray) -> FileList:
        """The files at some places, (n,) integers or (N,) bool, in that order."""
        places = np.flatnonzero(places) if places.dtype == bool else places
        return FileList(self._container, self._names.take(pa.array(places)), self._numbers[:, places])

    @property
    def labels(self) -> pa.Array:
        """The label of every file, (N,) text."""
        try:
            return self._names.cast(pa.string())
        except pa.ArrowInvalid:  # some names are no text
            return pa.array([file.label for file in self], pa.string())

    @property
    def sizes(self) -> np.ndarray:
        """Bytes of every file, uncompressed, (N,) int64."""
        return self._numbers[0]

    @property
    def stamps(self) -> np.ndarray:
        """The stamp of every file, (N,) int64."""
        return self._numbers[1]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")


class _Listing:
    """Files as they are found, made compact after every block."""

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self._done: list[pa.Array] = []
        self._numbers = tuple(array("q") for _ in range(5))

    def add(self, name: str, *numbers: int) -> None:
        """numbers: size, stamp, offset, packed, method."""
        self._names.append(name.encode("utf-8", "surrogatepass"))
        for column, number in zip(self._numbers, numbers, strict=True):
            column.append(number)
        if len(self._names) == BLOCK:
            self._pack()

    def _pack(self) -> None:
        self._done.append(pa.array(self._names, pa.large_binary()))
        self._names = []

    def finish(self, container: str) -> FileList:
        """All of them in the order of their names, by code points."""
        self._pack()
        names = pa.concat_arrays(self._done)
        self._done = []
        numbers = np.stack([np.frombuffer(column, np.int64) for column in self._numbers])
        return FileList(container, names, numbers).take(pc.sort_indices(names).to_numpy())


def list_files(source: Path) -> FileList:
    """All files of a folder (any depth, links not followed) or of a zip archive, sorted by name.

    Raises MissingInput when there is no such source, BadInput when the archive's directory cannot be trusted.
    """
    if not source.exists():
        raise MissingInput(f"{source} does not exist; name the archive with --archive or a folder with --images")
    if not source.is_dir() and not source.is_file():  # a pipe would be waited for without end
        raise MissingInput(f"{source} is neither a folder nor a file; name the archive or the folder itself")
    listing = _Listing()
    if source.is_dir():
        _walk(source, listing.add)
    else:
        _zip_members(source, listing.add)
    return listing.finish(str(source))


def _walk(root: Path, add: Callable[..., None]) -> None:
    """Add the files of a folder and of those below it. One folder is open at a time, and none is held as a list."""
    folders = [""]  # still to be listed: "" or "a/b/"
    passed_over: dict[str, list[str]] = {"links": [], "pipes, sockets or devices": []}
    while folders:
        below = folders.pop()
        try:
            with os.scandir(root / below) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{below}{entry.name}/")
                    elif entry.is_file(follow_symlinks=False):
                        facts = entry.stat(follow_symlinks=False)
                        add(below + entry.name, facts.st_size, facts.st_mtime_ns, -1, 0, 0)
                    else:
                        passed_over["links" if entry.is_symlink() else "pipes, sockets or devices"].append(entry.name)
        except PermissionError:
            raise MissingInput(
                f"{root / below} may not be read; give this user the permission, or leave it out"
            ) from None
    for kind, names in passed_over.items():
        if names:
            logger.warning("%d %s are not followed; the first: %s", len(names), kind, ascii(min(names)))


def _zip_members(archive: Path, add: Callable[..., None]) -> None:
    starts, packed = array("q"), array("q")
    for member in read_directory(archive):
        starts.append(member.offset)
        packed.append(member.packed)
        if len(starts) > MAX_MEMBERS:
            raise BadInput(f"{archive} claims more than {MAX_MEMBERS} members, the limit")
        if not member.name.endswith("/"):
            add(member.name, member.size, member.crc32, member.offset, member.packed, member.method)
    _refuse_overlaps(archive, np.frombuffer(starts, np.int64), np.frombuffer(packed, np.int64))


def _refuse_overlaps(archive: Path, starts: np.ndarray, packed: np.ndarray) -> None:
    """Overlapping members are how a small archive unpacks to terabytes; no honest one has them."""
    order = np.argsort(starts, kind="stable")
    ends = starts[order] + LOCAL_HEADER.size + packed[order]
    if (starts[order][1:] < ends[:-1]).any():
        raise BadInput(f"{archive}: its members overlap; it was made to overwhelm, and is not read")
