"""Files as they come: in a folder, or inside a zip archive that is read in place.

A zip's directory is read once; any process can then read a member by its offset, without opening the directory again.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.core.logs import logger

LOCAL_HEADER = struct.Struct("<4s5HLLLHH")
MAX_MEMBER_BYTES = 256 * 2**20  # far above any single-frame slice
MAX_MEMBERS = 5_000_000


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


def list_files(source: Path) -> list[SourceFile]:
    """All files of a folder (any depth, links not followed) or of a zip archive, sorted by name.

    Raises MissingInput when there is no such source, BadInput when the archive's directory cannot be trusted.
    """
    if not source.exists():
        raise MissingInput(f"{source} does not exist; name the archive with --archive or a folder with --images")
    found = list(_walk(source, source)) if source.is_dir() else _zip_members(source)
    return sorted(found, key=lambda file: file.name)


def _walk(root: Path, folder: Path) -> Iterator[SourceFile]:
    try:
        entries = list(os.scandir(folder))
    except PermissionError:
        raise MissingInput(f"{folder} may not be read; give this user the permission, or leave it out") from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, Path(entry.path))
        elif entry.is_symlink():
            logger.warning("%s is a link, and links are not followed", ascii(entry.name))
        elif entry.is_file(follow_symlinks=False):
            facts = entry.stat(follow_symlinks=False)
            yield SourceFile(os.path.relpath(entry.path, root), str(root), facts.st_size, facts.st_mtime_ns)


def _zip_members(archive: Path) -> list[SourceFile]:
    try:
        with zipfile.ZipFile(archive) as directory:
            members = directory.infolist()
    except zipfile.BadZipFile as error:
        raise BadInput(f"{archive} is not a whole zip archive ({error}); download it again") from error
    if len(members) > MAX_MEMBERS:
        raise BadInput(f"{archive} claims {len(members)} members, over the limit of {MAX_MEMBERS}")
    _refuse_overlaps(archive, members)
    return [
        SourceFile(m.filename, str(archive), m.file_size, m.CRC, m.header_offset, m.compress_size, m.compress_type)
        for m in members
        if not m.is_dir()
    ]


def _refuse_overlaps(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Overlapping members are how a small archive unpacks to terabytes; no honest one has them."""
    end = 0
    for member in sorted(members, key=lambda m: m.header_offset):
        if member.header_offset < end:
            raise BadInput(f"{archive}: its members overlap; it was made to overwhelm, and is not read")
        end = member.header_offset + LOCAL_HEADER.size + member.compress_size
