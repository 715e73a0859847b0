"""The pixels of one DICOM file: uncompressed ones as a view of its bytes, compressed ones joined and decoded."""

from __future__ import annotations

from struct import Struct

import numpy as np
from pydicom.uid import ExplicitVRBigEndian

from hounsfield.core.dicom.codestreams import CODECS
from hounsfield.core.dicom.decoders import DECODERS
from hounsfield.core.dicom.format import PixelFormat, as_stored
from hounsfield.core.dicom.header import UNDEFINED_LENGTH, Header, PixelElement
from hounsfield.core.errors import Refused

_ITEM = Struct("<HHL")  # group, element, length


def find_pixels(header: Header) -> PixelElement:
    """The element that holds integer pixel data. Raises Refused: no_pixel_data."""
    element = header.pixels
    if element is None:
        raise Refused("no_pixel_data", "there is no pixel data: the file is a bare header, or was cut; export it again")
    if element.tag != 0x7FE00010:
        raise Refused("no_pixel_data", "only floating point pixel data, which is not read; export stored values")
    if element.length == 0:
        raise Refused("no_pixel_data", "the pixel data is empty; export the file again")
    return element


def read_pixels(header: Header, element: PixelElement, form: PixelFormat) -> tuple[np.ndarray, list[str]]:
    """Return the stored values, (rows, columns) int16 or uint16, and flags.

    The array's type has the sign, which a JPEG 2000 picture may state otherwise than `form`. It may be a read-only view
    of the file's bytes. Raises Refused: pixel_data_short, encapsulation, codestream, codestream_size, decoded_size,
    jpeg_process, bits, colour, multi_frame, unreadable.
    """
    codec = CODECS[header.transfer_syntax]
    if (element.length == UNDEFINED_LENGTH) != (codec != "native"):
        packed = "compressed" if element.length == UNDEFINED_LENGTH else "uncompressed"
        message = f"pixel data stored as {packed} under transfer syntax {header.transfer_syntax}; export the file again"
        raise Refused("encapsulation", message)
    if codec == "native":
        return _native_pixels(header, element, form)
    code = _codestream(header.body, element.offset)
    return DECODERS[codec](code, form)


def _native_pixels(header: Header, element: PixelElement, form: PixelFormat) -> tuple[np.ndarray, list[str]]:
    """Uncompressed pixels: a view of the file where the bits allow."""
    available = min(element.length, len(header.body) - element.offset)
    excess = available - form.bytes_expected
    if excess < 0:
        message = f"pixel data short by {-excess} bytes of {form.bytes_expected}; copy the file again"
        raise Refused("pixel_data_short", message)
    big_endian = header.transfer_syntax == ExplicitVRBigEndian
    if big_endian and form.bits_allocated == 8:
        raise Refused("bits", "8 bits allocated in big endian words are not read; convert the file to little endian")
    dtype = np.dtype(f"{'>' if big_endian else '<'}{'i' if form.signed else 'u'}{form.bits_allocated // 8}")
    values = np.frombuffer(header.body, dtype, count=form.rows * form.columns, offset=element.offset)
    values = values.astype(dtype.newbyteorder("="), copy=False).reshape(form.rows, form.columns)
    row_bytes = form.columns * form.bits_allocated // 8
    flags = ["pixel_data_long"] if excess > max(row_bytes, 1) else []
    return as_stored(values, form.bits_stored, form.signed), flags


def _codestream(body: bytes, offset: int) -> bytes:
    """Join the fragments of the one encapsulated frame (DICOM PS3.5, A.4). Raises Refused when the file ends early."""
    fragments: list[bytes] = []
    while True:
        if offset + 8 > len(body):
            raise Refused("pixel_data_short", "the file ends within its compressed pixel data; copy it again")
        group, element, length = _ITEM.unpack_from(body, offset)
        offset += 8
        if (group, element) == (0xFFFE, 0xE0DD):
            break
        if (group, element) != (0xFFFE, 0xE000) or length == UNDEFINED_LENGTH:
            raise Refused("encapsulation", "the compressed pixel data is not a chain of fragments; export it again")
        if offset + length > len(body):
            short = offset + length - len(body)
            raise Refused("pixel_data_short", f"compressed pixel data short by at least {short} bytes; copy it again")
        fragments.append(body[offset : offset + length])
        offset += length
    if len(fragments) < 2 or not any(fragments[1:]):
        raise Refused("no_pixel_data", "the compressed pixel data is empty; export the file again")
    if len(fragments[0]) > 4:  # the basic offset table: four bytes a frame
        raise Refused("multi_frame", f"the offset table lists {len(fragments[0]) // 4} frames; split the file first")
    return b"".join(fragments[1:])
