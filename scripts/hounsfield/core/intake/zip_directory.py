"""The directory of a zip archive, read entry by entry: the standard library holds all of it, a kilobyte an entry.

Layout: PKWARE APPNOTE 6.3, sections 4.3.12 (directory), 4.3.14 to 4.3.16 (its end) and 4.5.3 (64-bit sizes).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hounsfield.core.errors import BadInput

ENTRY = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END_64_PLACE = struct.Struct("<4sLQL")
END_64 = struct.Struct("<4sQ2H2L4Q")
LONGEST_COMMENT = 0xFFFF
IS_UTF8 = 0x800  # a flag of an entry
IN_64 = 0xFFFFFFFF  # the value stands in the 64-bit extra field
BUFFER = 2**20  # bytes read ahead


class Member(NamedTuple):
    """One entry of the directory."""

    name: str
    size: int  # bytes, uncompressed
    crc32: int
    offset: int  # of its local header, in the file
    packed: int  # compressed bytes
    method: int


class _End(NamedTuple):
    start: int  # of the directory, in the file
    size: int  # bytes
    before: int  # bytes of the file that stand before the archive


def read_directory(archive: Path) -> Iterator[Member]:
    """Yield the entries one by one. Raises BadInput, naming the archive, when its directory is damaged."""
    try:
        with archive.open("rb", BUFFER) as file:
            end = _find_end(file)
            file.seek(end.start)
            yield from _entries(file, end)
    except (ValueError, struct.error) as error:
        raise BadInput(f"{archive} is not a whole zip archive ({error}); download it again") from error


def _find_end(file: BinaryIO) -> _End:
    length = file.seek(0, os.SEEK_END)
    tail_start = max(0, length - END.size - LONGEST_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < END.size:
        raise ValueError("it has no directory at its end")
    size, start = END.unpack_from(tail, place)[5:7]
    position = tail_start + place  # where the directory should end
    found = _find_end_64(file, position)
    if found is not None:
        size, start, position = found
    before = position - size - start
    if before < 0:
        raise ValueError("its directory does not lie where its end says")
    return _End(start + before, size, before)


def _find_end_64(file: BinaryIO, end: int) -> tuple[int, int, int] | None:
    """Size and start of the directory and the position of its 64-bit end; None in an archive without one."""
    if end < END_64_PLACE.size + END_64.size:
        return None
    file.seek(end - END_64_PLACE.size)
    if file.read(4) != b"PK\x06\x07":
        return None
    position = end - END_64_PLACE.size - END_64.size  # no known writer appends the data that it may hold
    file.seek(position)
    signature, *values = END_64.unpack(file.read(END_64.size))
    if signature != b"PK\x06\x06":
        raise ValueError("its 64-bit directory end is missing")
    return values[7], values[8], position


def _entries(file: BinaryIO, end: _End) -> Iterator[Member]:
    left = end.size
    while left > 0:
        signature, *values = ENTRY.unpack(file.read(ENTRY.size))
        if signature != b"PK\x01\x02":
            raise ValueError("an entry of its directory is damaged")
        _, _, flags, method, _, _, crc32, packed, size, name_length, extra_length, comment_length = values[:12]
        offset = values[-1]
        name, extra, _ = file.read(name_length), file.read(extra_length), file.read(comment_length)
        left -= ENTRY.size + name_length + extra_length + comment_length
        if left < 0 or len(name) + len(extra) < name_length + extra_length:
            raise ValueError("its directory is cut")
        if IN_64 in (size, packed, offset):
            size, packed, offset = _wide(extra, (size, packed, offset))
        text = name.decode("utf-8", "surrogateescape") if flags & IS_UTF8 else name.decode("cp437")
        yield Member(text.partition("\0")[0], size, crc32, offset + end.before, packed, method)


def _wide(extra: bytes, values: tuple[int, ...]) -> list[int]:
    """Size, packed size and offset, those that do not fit into 32 bits from the extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            found = iter(struct.unpack_from(f"<{min(length, 24) // 8}Q", extra, place + 4))
            wide = [next(found, -1) if value == IN_64 else value for value in values]
            if min(wide) < 0:
                break
            return wide
        place += 4 + length
    raise ValueError("an entry's 64-bit sizes are missing")
