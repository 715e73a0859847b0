"""Where things lie in a sound DICOM file: its elements, its fragments, the header of its codestream."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from struct import Struct
from typing import NamedTuple

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from hounsfield.core.dicom.codestreams import CODECS, JPEG_LOSSLESS_FRAME, JPEG_LOSSY_FRAMES, JPEG_LS_FRAME
from hounsfield.core.dicom.header import UNDEFINED_LENGTH, read_header

_LONG_HEAD = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_ITEM = Struct("<HHL")
_RLE_HEADER = 64  # bytes: the number of segments and fifteen offsets
_SIZE, _STYLE, _START_OF_DATA = b"\xff\x51", b"\xff\x52", b"\xff\x93"  # markers of JPEG 2000


class Element(NamedTuple):
    """One element of the data set: its head begins at `start`, its value at `value`, and it ends at `end`."""

    tag: int
    start: int
    value: int
    end: int


class Field(NamedTuple):
    """A number in the codestream's header."""

    name: str
    at: int
    size: int  # bytes


@dataclass(frozen=True)
class Anatomy:
    """Bytes to damage, and where what lies in them. `before` is what stands before a deflated data set."""

    data: bytes
    regions: dict[str, range]
    syntax: str
    elements: tuple[Element, ...] = ()  # of the top level, without the pixel data
    pixels: int = 0  # where the pixel data's value begins
    items: tuple[int, ...] = ()  # where the heads of offset table and fragments begin
    fields: tuple[Field, ...] = ()
    before: bytes | None = None  # None: `data` is the whole file

    @property
    def byte_order(self) -> str:
        """Of the data set, as struct writes it."""
        return "<" if UID(self.syntax).is_little_endian else ">"


def dissect(file: bytes) -> tuple[Anatomy, ...]:
    """Anatomies of a sound file: of its data set, and of a deflated one also the file as it lies.

    Raises Refused or pydicom's exceptions when the file is not sound.
    """
    header = read_header(file)
    if header.pixels is None:
        raise ValueError("the file has no pixel data")
    dataset = pydicom.dcmread(BytesIO(file), stop_before_pixels=True)
    start = 144 + int(dataset.file_meta.FileMetaInformationGroupLength)
    syntax, body, pixels = header.transfer_syntax, header.body, header.pixels.offset
    elements = tuple(_located(raw) for raw in dataset.elements() if isinstance(raw, RawDataElement))
    if syntax == DeflatedExplicitVRLittleEndian:
        regions = {"header": range(pixels), "pixels": range(pixels, len(body))}
        inside = Anatomy(body, regions, syntax, elements, pixels, before=file[:start])
        outside = Anatomy(file, {"meta": range(132, start), "pixels": range(start, len(file))}, syntax)
        return inside, outside
    regions = {"meta": range(132, start), "header": range(start, pixels)}
    if header.pixels.length != UNDEFINED_LENGTH:
        return (Anatomy(body, {**regions, "pixels": range(pixels, len(body))}, syntax, elements, pixels),)
    items = _items(body, pixels)
    code = items[1] + _ITEM.size
    end, fields = _codestream_header(body, code, CODECS[syntax])
    regions |= {"codestream": range(pixels, end), "pixels": range(end, len(body))}
    return (Anatomy(body, regions, syntax, elements, pixels, items, fields),)


def _located(raw: RawDataElement) -> Element:
    head = 12 if not raw.is_implicit_VR and raw.VR in _LONG_HEAD else 8
    return Element(int(raw.tag), raw.value_tell - head, raw.value_tell, raw.value_tell + len(raw.value or b""))


def _items(body: bytes, offset: int) -> tuple[int, ...]:
    """The heads of offset table and fragments, and of the delimiter after them."""
    found = []
    while offset + _ITEM.size <= len(body):
        group, element, length = _ITEM.unpack_from(body, offset)
        found.append(offset)
        if (group, element) != (0xFFFE, 0xE000):
            break
        offset += _ITEM.size + length
    return tuple(found)


def _codestream_header(body: bytes, code: int, codec: str) -> tuple[int, tuple[Field, ...]]:
    """Where the header of the codestream at `code` ends, and the numbers in it that say what to allocate."""
    if codec == "rle":
        return code + _RLE_HEADER, tuple(Field("segment", code + 4 * place, 4) for place in range(16))
    if codec == "jpeg_2000":
        size, style = body.index(_SIZE, code), body.index(_STYLE, code)
        wide = ("columns", "rows", "left", "top", "tile_columns", "tile_rows", "tile_left", "tile_top")
        fields = [Field(name, size + 6 + 4 * place, 4) for place, name in enumerate(wide)]
        fields += [Field("components", size + 38, 2)]
        fields += [Field(name, size + 40 + place, 1) for place, name in enumerate(("precision", "step_x", "step_y"))]
        fields += [Field("layers", style + 6, 2)]
        fields += [Field("style", style + place, 1) for place in (4, 5, *range(8, 14))]
        return body.index(_START_OF_DATA, code) + 2, tuple(fields)
    markers = [bytes((0xFF, frame)) for frame in (JPEG_LOSSLESS_FRAME, JPEG_LS_FRAME, *JPEG_LOSSY_FRAMES)]
    frame = min(at for at in (body.find(marker, code) for marker in markers) if at >= 0)
    scan = body.index(b"\xff\xda", frame)
    fields = [
        Field("precision", frame + 4, 1), Field("rows", frame + 5, 2), Field("columns", frame + 7, 2),
        Field("components", frame + 9, 1), *(Field("style", frame + place, 1) for place in (10, 11, 12)),
        *(Field("scan", scan + place, 1) for place in range(4, 10)),
    ]  # fmt: skip
    return scan + 10, tuple(fields)
