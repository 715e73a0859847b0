"""The header of one DICOM file: from bytes to plain values.

pydicom parses the elements; this module finds the transfer syntax, inflates within a limit, stops at the pixel data
without copying it, and bounds the work that a hostile header can ask for.

pydicom.dcmread(stop_before_pixels=True) has no such limits, and takes 3.6 times as long (0.53 ms a slice).
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import MutableSequence
from dataclasses import dataclass
from io import BytesIO
from struct import Struct
from typing import Any, Literal

from pydicom.charset import default_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from hounsfield.core.dicom.codestreams import CODECS
from hounsfield.core.dicom.foreign_code import foreign_code
from hounsfield.core.errors import Refused

INFLATED_LIMIT = 64 * 2**20  # bytes; a 16-bit picture of 5,792 x 5,792 pixels
READS_LIMIT = 50_000  # reads of the parser, one to three per element; real single images stay below 2,000
READ_BYTES_LIMIT = 8 * 2**20  # bytes that the parser reads; what it skips and the pixel data do not count
VALUE_BYTES_LIMIT = 4096  # bytes of one value that is used here
META_ELEMENTS_LIMIT = 100
UNDEFINED_LENGTH = 0xFFFFFFFF

_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # float, double float and integer pixel data
_CHARACTER_SET = 0x00080005
_TAGS: dict[int, str] = {
    0x00080008: "image_type", 0x00080016: "sop_class", 0x00080018: "sop_uid", 0x00080060: "modality",
    0x00080070: "manufacturer", 0x0008103E: "series_description", 0x00100020: "patient_id", 0x00180015: "body_part",
    0x00185101: "view_position", 0x0020000D: "study_uid", 0x0020000E: "series_uid", 0x00200012: "acquisition_number",
    0x00200013: "instance_number", 0x00200032: "position", 0x00200037: "orientation", 0x00200052: "frame_of_reference",
    0x00201041: "slice_location", 0x00280002: "samples", 0x00280004: "photometric", 0x00280008: "frames",
    0x00280010: "rows", 0x00280011: "columns", 0x00280030: "pixel_spacing", 0x00280100: "bits_allocated",
    0x00280101: "bits_stored", 0x00280102: "high_bit", 0x00280103: "pixel_representation", 0x00280120: "padding_value",
    0x00280121: "padding_limit", 0x00281050: "window_center", 0x00281051: "window_width", 0x00281052: "intercept",
    0x00281053: "slope", 0x00281054: "rescale_type",
}  # fmt: skip
_DICTIONARY = {tag: dictionary_VR(tag) for tag in _TAGS}  # what implicit VR leaves out
_ESCAPE = b"\x1b"  # switches the character set within a text
_DIGITS_LIMIT = 12  # of a DICOM integer string (PS3.5, 6.2)
_DIRECTORY = b"1.2.840.10008.1.3.10"
_PACKED_FILES = (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")  # zip, gzip, 7z, RAR
# The first elements of a data set or of meta information, in explicit VR.
_ELEMENT_AT_START = re.compile(rb"[\x02\x08]\x00.\x00(CS|UI|UL|OB|DA)", re.DOTALL)
_SHORT_ELEMENT = Struct("<HH2sH")
_LONG_VALUE_REPRESENTATIONS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


@dataclass(frozen=True)
class PixelElement:
    """Where the pixel data lies in the data set: `body[offset : offset + length]`."""

    tag: int
    offset: int
    length: int  # bytes as claimed; UNDEFINED_LENGTH when encapsulated


@dataclass(frozen=True)
class Header:
    """The values of one header, as pydicom converts them: absent is None, unreadable is NaN; nothing is checked yet."""

    transfer_syntax: str
    body: bytes  # the file, or the inflated data set
    pixels: PixelElement | None
    values: dict[str, Any]

    def text(self, name: str) -> str:
        """One line of text, "" where absent or unreadable; several values are joined as DICOM does, by a backslash."""
        value = self.values[name]
        items = value if isinstance(value, MutableSequence) else [value]
        if not all(isinstance(item, str) for item in items):  # a damaged element may come as numbers or a sequence
            return ""
        return "\\".join(item.strip(" \0") for item in items)

    def numbers(self, name: str) -> tuple[float, ...]:
        """All values as floats: empty where absent, NaN for what is no number."""
        value = self.values[name]
        if value is None or value == "":
            return ()
        items = value if isinstance(value, MutableSequence) else [value]
        return tuple(_number(item) for item in items)

    def integer(self, name: str) -> int | None:
        """The only value as an integer; None where it is absent, multi-valued, fractional or unreadable."""
        numbers = self.numbers(name)
        return int(numbers[0]) if len(numbers) == 1 and numbers[0].is_integer() else None

    def first(self, name: str) -> float | None:
        """The first value; None where absent."""
        numbers = self.numbers(name)
        return numbers[0] if numbers else None


def read_header(data: bytes) -> Header:
    """Parse a file up to its pixel data, which is located and not copied.

    Raises Refused: empty_file, not_dicom, no_file_meta, no_transfer_syntax, transfer_syntax, inflated_size,
    nested_sequences, header_size, unreadable.
    """
    _check_start(data)
    syntax, start = _read_meta(data)
    if syntax not in CODECS:
        named = syntax if re.fullmatch(r"[0-9.]{1,64}", syntax) else "with a malformed UID"
        raise Refused("transfer_syntax", f"transfer syntax {named} is not supported; convert the file, e.g. to JPEG-LS")
    body = data
    if syntax == DeflatedExplicitVRLittleEndian:
        body, start = _inflate(memoryview(data)[start:]), 0
    little_endian = syntax != ExplicitVRBigEndian
    reader = _BoundedReader(body)
    reader.seek(start)
    try:
        with foreign_code("reading the header"):
            dataset = read_dataset(
                reader,
                is_implicit_VR=syntax == ImplicitVRLittleEndian,
                is_little_endian=little_endian,
                stop_when=_at_pixel_data,
                specific_tags=list(_TAGS),
            )
            values = _converted(dataset)
    except Refused:
        if reader.exhausted:  # pydicom turns what a read raises into an OSError of its own
            raise Refused("header_size", "the header is far larger than a single image's; export it again") from None
        raise
    pixels = _pixel_element(body, reader.tell(), little_endian, dataset.original_encoding[0])
    return Header(syntax, body, pixels, values)


class _BoundedReader(BytesIO):
    """Bytes of which a limited amount can be read, so that a small file cannot ask for endless elements or text."""

    reads_left = READS_LIMIT
    bytes_left = READ_BYTES_LIMIT

    def read(self, size: int | None = -1) -> bytes:
        self.reads_left -= 1
        read = super().read(size)
        self.bytes_left -= len(read)
        if self.exhausted:
            raise OSError("the header is too large")
        return read

    @property
    def exhausted(self) -> bool:
        return self.reads_left < 0 or self.bytes_left < 0


def _at_pixel_data(tag: int, _value_representation: str | None, length: int) -> bool:
    """Whether the parser should stop: pydicom asks before it reads an element's value."""
    group = tag >> 16  # compared first: pydicom's tags are slow to compare
    if group == 8 and length > VALUE_BYTES_LIMIT and int(tag) == _CHARACTER_SET:  # parsed at once, at any length
        raise Refused("header_size", "the character set's name is longer than any; export the file again")
    return group == 0x7FE0 and int(tag) in _PIXEL_TAGS


def _check_start(data: bytes) -> None:
    """Refuse what does not begin as a DICOM file does: 128 free bytes, then DICM."""
    if not data:
        raise Refused("empty_file", "the file is empty; copy it again")
    if data[128:132] != b"DICM":
        if data.startswith(_PACKED_FILES):
            raise Refused("not_dicom", "the file is an archive or compressed as a whole; unpack it first")
        if data[:2] == b"\x08\x00" or _ELEMENT_AT_START.search(data, 0, 256):
            raise Refused("no_file_meta", "the file has no preamble; write it again as a DICOM Part 10 file")
        raise Refused("not_dicom", "the file is not DICOM; move it out of the folder if it is not an image")


def _read_meta(data: bytes) -> tuple[str, int]:
    """The transfer syntax UID and the offset at which the data set begins.

    File meta information is always explicit VR little endian (DICOM PS3.10, 7.1).
    """
    syntax, offset = "", 132
    for _ in range(META_ELEMENTS_LIMIT):
        if offset + 8 > len(data):
            break
        group, element, representation, length = _SHORT_ELEMENT.unpack_from(data, offset)
        if group != 2:
            break
        offset += 8
        if representation in _LONG_VALUE_REPRESENTATIONS:
            length = int.from_bytes(data[offset : offset + 4], "little")
            offset += 4
        if element == 0x0002 and data.startswith(_DIRECTORY, offset):
            raise Refused("dicomdir", "a DICOMDIR, not an image; nothing needs to be done")
        if element == 0x0010:
            syntax = data[offset : offset + min(length, 64)].decode("ascii", "replace").strip(" \0")
        offset += length
    if offset == 132:
        raise Refused("no_file_meta", "the file has no meta information; write it again as a DICOM Part 10 file")
    if not syntax:
        raise Refused("no_transfer_syntax", "the file does not name its transfer syntax; write it again")
    return syntax, offset


def _inflate(deflated: memoryview) -> bytes:
    """The data set of a deflated file (DICOM PS3.5, A.5: a raw deflate stream), within INFLATED_LIMIT."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with foreign_code("inflating the data set"):
        inflated = inflater.decompress(deflated, INFLATED_LIMIT + 1)
    if len(inflated) > INFLATED_LIMIT:
        message = f"the deflated data set grows beyond {INFLATED_LIMIT} bytes; store it uncompressed"
        raise Refused("inflated_size", message)
    if not inflater.eof:
        raise Refused("inflated_size", "the deflated data set ends too early; copy the file again")
    return inflated


def _converted(dataset: Dataset) -> dict[str, Any]:
    """The values of _TAGS as pydicom converts them; None where absent, NaN where one cannot be converted."""
    values: dict[str, Any] = dict.fromkeys(_TAGS.values())
    for element in dataset.elements():
        name = _TAGS.get(int(element.tag))
        if name is None:
            continue
        try:
            if isinstance(element, RawDataElement):
                if element.length > VALUE_BYTES_LIMIT:
                    raise ValueError("longer than any value used here")
                values[name] = _raw_value(element, dataset.original_character_set)
            else:
                values[name] = element.value
        except Exception:  # noqa: BLE001  (any garbage in one element; who needs the value decides what that means)
            values[name] = math.nan
    return values


def _raw_value(element: RawDataElement, encodings: str | MutableSequence[str] | None) -> Any:
    """One value, or the list of several, as pydicom converts them; the plain ones directly, which is far faster."""
    try:
        value = _plain_value(element, encodings)
    except (ValueError, LookupError):  # no number, or text that is not in its character set: pydicom knows more ways
        value = None
    return convert_raw_data_element(element, encoding=encodings).value if value is None else value


def _plain_value(element: RawDataElement, encodings: str | MutableSequence[str] | None) -> Any:
    """The value of a well-formed element of the common kinds, otherwise None. Raises ValueError, LookupError."""
    representation, value = element.VR or _DICTIONARY[int(element.tag)], element.value
    if not value:
        return None
    if representation in ("US", "SS"):
        order: Literal["little", "big"] = "little" if element.is_little_endian else "big"
        return int.from_bytes(value, order, signed=representation == "SS") if len(value) == 2 else None
    if representation in ("LO", "SH"):
        if _ESCAPE in value:
            return None
        encoding = encodings if isinstance(encodings, str) else (encodings or [default_encoding])[0]
        return _one_or_all([item.rstrip("\0 ") for item in value.decode(encoding).split("\\")])
    items = value.decode(default_encoding).rstrip(" \0").split("\\")
    if representation == "CS":
        return _one_or_all(items)
    if representation == "UI":
        return _one_or_all([item.strip() for item in items])
    if representation == "DS":
        return _one_or_all([float(item) for item in items])
    if representation == "IS" and all(len(item) <= _DIGITS_LIMIT for item in items):
        return _one_or_all([int(item) for item in items])
    return None


def _one_or_all(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def _number(value: object) -> float:
    try:
        return float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _pixel_element(body: bytes, offset: int, little_endian: bool, implicit: bool | None) -> PixelElement | None:
    """Read tag and length of the element that the parser stopped at, at `offset`; None at the end of the file."""
    order = "<" if little_endian else ">"
    head = body[offset : offset + 12]
    if len(head) < 12:
        return None
    group, element, representation, short_length = Struct(f"{order}HH2sH").unpack_from(head)
    tag = group << 16 | element
    if tag not in _PIXEL_TAGS:
        return None
    if implicit or not b"AA" <= representation <= b"ZZ":  # pydicom reads a broken representation as implicit too
        return PixelElement(tag, offset + 8, Struct(f"{order}L").unpack_from(head, 4)[0])
    if representation in _LONG_VALUE_REPRESENTATIONS:
        return PixelElement(tag, offset + 12, Struct(f"{order}L").unpack_from(head, 8)[0])
    return PixelElement(tag, offset + 8, short_length)
