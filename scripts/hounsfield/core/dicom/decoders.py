"""Compressed pictures through one pinned decoder a format.

| format | decoder |
| --- | --- |
| JPEG-LS | pyjpegls (GDCM ends the process on a wild size) |
| JPEG 2000, and its high-throughput form | openjpeg (GDCM is wrong by 8192 where sign flags contradict) |
| JPEG baseline, extended, lossless | GDCM |
| RLE | pydicom |

JPEG of 12 bits, by process (T.81), each measured on a head CT of 512 x 512:

| process | frame | read |
| --- | --- | --- |
| 4: extended, Huffman | SOF1 | yes, within 6, 18 and 31 HU of the original at quality 95, 75 and 50 |
| the same, marked as baseline | SOF0 | yes, with the same values |
| 14: lossless | SOF3 | yes, exactly |
| 5, 13: arithmetic, progressive with arithmetic | SOF9, SOF10 | no: GDCM has no such decoder |
| 8, 12: progressive, Huffman | SOF2 | no: GDCM could (within 6 HU), but only retired transfer syntaxes allow it |

Lossy JPEG of other than 8 or 12 bits does not exist (GDCM's encoder states 16, and its values are shifted): refused.

The sign of JPEG 2000, which codestream and header state both, in three orders of evidence. First the codestream: signed
where it says so. Then the header: signed where PixelRepresentation says so. Where they contradict, signed is thus what
is taken, and `sign_mismatch` flags it; that is right on all three real files of this kind. Last, plausibility: it
chooses nothing, but a picture whose values are no patient's after that is refused (`implausible_pixels`, values.py).

What the picture claims of itself is compared with the DICOM header and with its length before a decoder sees it. A
decoder may still hang or die on damaged data: whoever reads foreign files runs this in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import gdcm
import jpeg_ls
import numpy as np
import openjpeg
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLosslessSV1, RLELossless

from hounsfield.core.dicom.codestreams import (
    JPEG_LOSSLESS_FRAME,
    JPEG_LOSSY_FRAMES,
    JPEG_LOSSY_PRECISIONS,
    JPEG_LS_FRAME,
    JPEG_PROCESSES,
    Claim,
    bare_jpeg,
    check_jpeg_2000_parts,
    jpeg_2000_claim,
    jpeg_2000_codestream,
    jpeg_claim,
)
from hounsfield.core.dicom.foreign_code import foreign_code
from hounsfield.core.dicom.format import PixelFormat, as_stored
from hounsfield.core.errors import Refused

# A compressed picture above this size must have a codestream that could hold it; a black one packs about 1,000 to 1.
FREE_PIXELS = 2**22
PIXELS_PER_BYTE_LIMIT = 2000
RLE_EXPANSION_LIMIT = 64  # two bytes stand for at most 128

gdcm.Trace.DebugOff()
gdcm.Trace.WarningOff()
gdcm.Trace.ErrorOff()


def _check_claim(claim: Claim, code: bytes, form: PixelFormat) -> None:
    """Compare the codestream's own size with the header's, and with its length."""
    if claim.components != 1:
        raise Refused("colour", f"the compressed picture has {claim.components} colour components; one is read")
    if (claim.rows, claim.columns) != (form.rows, form.columns):
        size = f"{claim.rows} x {claim.columns}"
        message = f"the compressed picture is {size}, its header says {form.rows} x {form.columns}; export it again"
        raise Refused("codestream_size", message)
    if not 2 <= claim.precision <= 16:
        raise Refused("bits", f"the compressed picture has {claim.precision} bits a pixel; 2 to 16 are read")
    _check_length(len(code) * PIXELS_PER_BYTE_LIMIT, form)


def _check_length(pixels_possible: int, form: PixelFormat) -> None:
    if form.rows * form.columns > max(FREE_PIXELS, pixels_possible):
        message = f"{form.rows} x {form.columns} pixels claimed by a codestream too short for them; export it again"
        raise Refused("codestream_size", message)


def _decode_jpeg_ls(code: bytes, form: PixelFormat) -> tuple[np.ndarray, list[str]]:
    claim = jpeg_claim(code)
    if claim.frame != JPEG_LS_FRAME:
        raise Refused("codestream", "the pixel data is JPEG under a JPEG-LS transfer syntax; export the file again")
    _check_claim(claim, code, form)
    with foreign_code("decoding JPEG-LS"):
        decoded, _ = jpeg_ls.decode_pixel_data(code)
    return _shaped(decoded, claim, form), _precision_flags(claim, form)


def _decode_jpeg_2000(code: bytes, form: PixelFormat) -> tuple[np.ndarray, list[str]]:
    code = jpeg_2000_codestream(code)
    claim = jpeg_2000_claim(code)
    _check_claim(claim, code, form)
    check_jpeg_2000_parts(code)
    with foreign_code("decoding JPEG 2000"):
        decoded = cast(bytearray, openjpeg.decode_pixel_data(code, version=2))
    flags = _precision_flags(claim, form)
    if claim.signed != form.signed:
        flags.append("sign_mismatch")
    return _shaped(decoded, claim, replace(form, signed=claim.signed or form.signed)), flags


@contextmanager
def _muted_error_stream() -> Iterator[None]:
    """Send what C code prints to the process's error stream nowhere: GDCM's JPEG library comments on every damage."""
    try:
        kept = os.dup(2)
    except OSError:  # the process has no error stream
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _decode_jpeg(code: bytes, form: PixelFormat) -> tuple[np.ndarray, list[str]]:
    claim = jpeg_claim(code)
    if claim.frame == JPEG_LS_FRAME:
        raise Refused("codestream", "the pixel data is JPEG-LS under a JPEG transfer syntax; export the file again")
    if claim.frame not in JPEG_LOSSY_FRAMES | {JPEG_LOSSLESS_FRAME}:
        named = JPEG_PROCESSES.get(claim.frame, f"of frame 0xFF{claim.frame:02X}")
        raise Refused("jpeg_process", f"JPEG {named}, which is not read; convert the file, e.g. with dcmdjpeg of DCMTK")
    _check_claim(claim, code, form)
    if claim.frame in JPEG_LOSSY_FRAMES and claim.precision not in JPEG_LOSSY_PRECISIONS:
        message = f"lossy JPEG that states {claim.precision} bits, and has 8 or 12; export the file again"
        raise Refused("jpeg_process", message)
    # GDCM goes by the codestream's own process; the lossless syntax makes it take any precision. Fewer than 8 bits
    # would end the process, so they are announced as 8.
    allocated, stored = (8, 8) if claim.precision <= 8 else (16, claim.precision)
    with foreign_code("decoding JPEG"), _muted_error_stream():
        decoded, _ = get_decoder(JPEGLosslessSV1).as_buffer(
            encapsulate([bare_jpeg(code)]),
            decoding_plugin="gdcm",
            **_pydicom_options(form, allocated, stored),
        )
    return _shaped(decoded, claim, form), _precision_flags(claim, form)


def _decode_rle(code: bytes, form: PixelFormat) -> tuple[np.ndarray, list[str]]:
    _check_length(len(code) * RLE_EXPANSION_LIMIT, form)
    with foreign_code("decoding RLE"):
        decoded, _ = get_decoder(RLELossless).as_buffer(
            encapsulate([code]),
            decoding_plugin="pydicom",
            **_pydicom_options(form, form.bits_allocated, form.bits_stored),
        )
    claim = Claim(form.rows, form.columns, components=1, precision=form.bits_allocated)
    return _shaped(decoded, claim, form), []


def _pydicom_options(form: PixelFormat, bits_allocated: int, bits_stored: int) -> dict[str, Any]:
    return {
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": bits_allocated,
        "bits_stored": bits_stored,
        "pixel_representation": 0,  # the raw bits; their sign is read afterwards
        "pixel_keyword": "PixelData",
    }


def _shaped(decoded: bytes | bytearray | memoryview, claim: Claim, form: PixelFormat) -> np.ndarray:
    """Give the decoder's bytes their shape and their sign; int16 or uint16."""
    itemsize = 1 if claim.precision <= 8 else 2
    if len(decoded) != form.rows * form.columns * itemsize:
        message = f"the decoder returned {len(decoded)} bytes for {form.rows} x {form.columns} pixels; export it again"
        raise Refused("decoded_size", message)
    values = np.frombuffer(decoded, np.dtype(f"<{'i' if claim.signed else 'u'}{itemsize}"))
    values = values.reshape(form.rows, form.columns)
    if values.dtype.itemsize == 1:  # widened first, so that a sign bit above the codestream's 8 bits has a place
        values = values.astype(np.int16 if claim.signed else np.uint16)
    # Where the codestream says that it is signed, its bits are the values, even if BitsStored says fewer.
    bits = max(claim.precision, form.bits_stored) if claim.signed else form.bits_stored
    return as_stored(values, bits, form.signed)


def _precision_flags(claim: Claim, form: PixelFormat) -> list[str]:
    return ["precision_mismatch"] if claim.precision != form.bits_stored else []


# By the codec names of codestreams.CODECS.
DECODERS: dict[str, Callable[[bytes, PixelFormat], tuple[np.ndarray, list[str]]]] = {
    "jpeg_ls": _decode_jpeg_ls,
    "jpeg_2000": _decode_jpeg_2000,
    "jpeg": _decode_jpeg,
    "rle": _decode_rle,
}
