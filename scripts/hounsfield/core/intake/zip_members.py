"""The members of a zip archive, as its directory lists them (PKWARE APPNOTE 6.3)."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Container, Iterator
from itertools import count, pairwise
from operator import attrgetter
from pathlib import Path

from hounsfield.core.counts import count_of
from hounsfield.core.errors import UnusableSource
from hounsfield.core.foreign_text import one_line

BEGINNING = b"PK"  # of every record (4.3)
ENCRYPTED = 0x1  # of a member's flags (4.4.4)
LOCAL_HEADER = struct.Struct("<4s5HLLLHH")  # 4.3.7
MAX_DIRECTORY_BYTES = 256 * 2**20  # twice that of 874,035 slices, which zipfile makes 560 MB of objects of
MAX_SIZE = 2**63 - 1  # what a column holds

# name, size, offset, packed, method and checksum of SourceFile, and three numbers that change with the file
Found = tuple[str, int, int, int, int, int, int, int, int]


class ArchiveFile(io.FileIO):
    """An archive whose directory, which zipfile reads in one piece and holds as objects, is within the limit."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes from where it stands. Raises BadZipFile for more than a directory may have."""
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory has {size} bytes, over the limit of {MAX_DIRECTORY_BYTES}")
        return super().read(size)


def zip_members(archive: Path) -> Iterator[Found]:
    """The files of an archive. Raises UnusableSource where its directory is not to be trusted or files are locked."""
    try:
        with ArchiveFile(archive) as file, zipfile.ZipFile(file) as opened:
            members = sorted(opened.infolist(), key=attrgetter("header_offset"))
            length = file.seek(0, os.SEEK_END)
        if any(not 0 <= m.header_offset <= length - m.compress_size or m.file_size > MAX_SIZE for m in members):
            raise zipfile.BadZipFile("a member's place or size is impossible")
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise UnusableSource(f"{one_line(archive)} {_fault(archive, error)}") from error
    if any(a.header_offset + LOCAL_HEADER.size + a.compress_size > b.header_offset for a, b in pairwise(members)):
        raise UnusableSource(f"{one_line(archive)}: its members overlap; looks like a zip bomb; refused")
    locked = [member.filename for member in members if member.flag_bits & ENCRYPTED]
    if locked:
        raise UnusableSource(
            f"{one_line(archive)}: {len(locked)} of its {count_of(len(members), 'files')} "
            f"{'is' if len(locked) == 1 else 'are'} locked with a password; the first: "
            f"{locked[0]!a}. Unpack it with the password, and name the folder"
        )
    names: set[str] = set()
    for member in members:
        name = member.filename.replace("\\", "/")  # as some programs for Windows write it
        if not name.endswith("/"):
            name = _own_name(name, names)
            names.add(name)
            changes = member.CRC, member.header_offset, 0
            yield (name, member.file_size, member.header_offset, member.compress_size, member.compress_type,
                   member.CRC, *changes)  # fmt: skip


def _fault(archive: Path, error: Exception) -> str:
    """What is wrong with an archive that cannot be listed, and what to do."""
    with archive.open("rb") as file:
        if file.read(len(BEGINNING)) == BEGINNING:
            return f"is not a whole zip archive ({error}); download it again"
    size = count_of(archive.stat().st_size, "bytes")
    return f"is no zip archive, whatever its name says ({size}); name the archive itself, or a folder"


def _own_name(name: str, taken: Container[str]) -> str:
    """The name, or where another member has it, the same in a folder (2), (3) ...: a file is known by its path."""
    folder, slash, last = name.rpartition("/")
    numbered = (f"{folder}{slash}({number})/{last}" for number in count(2))
    return name if name not in taken else next(one for one in numbered if one not in taken)
