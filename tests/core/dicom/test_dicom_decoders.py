"""Compressed pictures: every value kept, every claim checked before a decoder runs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dicom_files as files
from dicom_files import PIXELS, UNSIGNED, hounsfield_units, refusal
from fuzz.encodings import TWELVE_BIT_ERROR, TWELVE_BIT_SAMPLE
from hounsfield.core.dicom.codestreams import bare_jpeg
from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.errors import Refused


@pytest.mark.parametrize("pixels", [PIXELS, UNSIGNED], ids=["signed", "unsigned"])
@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (files.RLE, files.rle_codestream),
        (files.JPEG_LS, files.jpeg_ls_codestream),
        (files.JPEG_2000, files.jpeg_2000_codestream),
    ],
)
@pytest.mark.parametrize("fragments", [1, 3])
def test_lossless_compression_keeps_every_value(
    pixels: np.ndarray, syntax: str, encode: Callable[[np.ndarray], bytes], fragments: int
) -> None:
    slice_ = read_slice(files.compressed_file(encode(pixels), pixels, syntax, fragments=fragments))
    assert np.array_equal(hounsfield_units(slice_), files.head_hu())
    assert slice_.flags == ()


@pytest.mark.parametrize(
    ("syntax", "codestream"),
    [
        (files.JPEG_LOSSLESS, files.SAMPLE_JPEG_LOSSLESS),
        (files.JPEG_LOSSLESS_FIRST_ORDER, files.SAMPLE_JPEG_LOSSLESS_FIRST_ORDER),
        (files.HIGH_THROUGHPUT_JPEG_2000, files.SAMPLE_HIGH_THROUGHPUT_JPEG_2000),
    ],
)
def test_lossless_jpeg_and_high_throughput_jpeg_2000_keep_every_value(syntax: str, codestream: bytes) -> None:
    data = files.compressed_file(codestream, files.SAMPLE, syntax, BitsStored=12, HighBit=11)
    assert np.array_equal(read_slice(data, repair_intercept=False).stored, files.SAMPLE)


@pytest.mark.parametrize("syntax", [files.JPEG_BASELINE, files.JPEG_EXTENDED])
def test_8_bit_lossy_jpeg_is_read_to_within_its_loss(syntax: str) -> None:
    pixels = np.add.outer(np.arange(64), np.arange(64) * 2).astype(np.uint8)
    slice_ = read_slice(files.compressed_file(files.jpeg_codestream(pixels), pixels, syntax))
    assert np.abs(slice_.stored.astype(int) - pixels).max() <= 2


@pytest.mark.parametrize("header_signed", [True, False])
def test_a_jpeg_2000_picture_is_signed_where_codestream_or_header_says_so(header_signed: bool) -> None:
    """What decoders differ on by 8192: 13-bit values with negative ones, whose sign only one of the two states."""
    values = np.clip(files.head_hu(), -1024, 1200)
    bits = (values.astype(int) % 2**13).astype(np.uint16)
    data = files.compressed_file(
        files.jpeg_2000_codestream(bits if header_signed else values, bits=13), values, files.JPEG_2000,
        BitsStored=13, HighBit=12, PixelRepresentation=int(header_signed), RescaleIntercept=0,
    )  # fmt: skip
    slice_ = read_slice(data)
    assert np.array_equal(hounsfield_units(slice_), values)
    assert (slice_.flags, slice_.pixel_representation) == (("sign_mismatch",), 1)


def test_a_sign_that_the_codestream_alone_states_is_that_of_all_16_bits_and_of_the_padding() -> None:
    """Read as unsigned, this was air of 64,536 and white."""
    values = files.head_hu()
    values[:4, :4] = -2000
    data = files.compressed_file(
        files.jpeg_2000_codestream(values), values, files.JPEG_2000,
        PixelRepresentation=0, RescaleIntercept=0, PixelPaddingValue=63536,
    )  # fmt: skip
    slice_ = read_slice(data)
    assert np.array_equal(slice_.stored[4:], values[4:])
    assert (slice_.stored[:4, :4] == -1024).all()
    assert slice_.flags == ("sign_mismatch",)


def lossy_12_bits(frame: bytes = b"\xff\xc1", precision: int = 12) -> bytes:
    """A file with the head of 12 bits, whose codestream names this process and precision."""
    at = TWELVE_BIT_SAMPLE.index(b"\xff\xc1")
    code = TWELVE_BIT_SAMPLE[:at] + frame + TWELVE_BIT_SAMPLE[at + 2 : at + 4] + bytes([precision])
    pixels = np.zeros((32, 32), np.uint16)
    return files.compressed_file(
        code + TWELVE_BIT_SAMPLE[at + 5 :], pixels, files.JPEG_EXTENDED, BitsStored=12, HighBit=11
    )


@pytest.mark.parametrize("frame", [b"\xff\xc1", b"\xff\xc0"], ids=["extended", "marked as baseline"])
def test_lossy_jpeg_of_12_bits_is_read_to_within_its_loss(frame: bytes) -> None:
    slice_ = read_slice(lossy_12_bits(frame))
    assert np.abs(hounsfield_units(slice_) - files.head_hu(32)).max() <= TWELVE_BIT_ERROR
    assert slice_.flags == ()


@pytest.mark.parametrize(
    ("frame", "precision", "named"),
    [(b"\xff\xc2", 12, "progressive"), (b"\xff\xc9", 12, "arithmetic"), (b"\xff\xca", 12, "progressive, with arithm"),
     (b"\xff\xc5", 12, "0xFFC5"), (b"\xff\xc1", 16, "16 bits")],
)  # fmt: skip
def test_a_jpeg_process_that_is_not_read_is_refused_by_name(frame: bytes, precision: int, named: str) -> None:
    refused = refusal(lossy_12_bits(frame, precision))
    assert (refused.code, named in refused.message) == ("jpeg_process", True)


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (files.RLE, files.rle_codestream),
        (files.JPEG_LS, files.jpeg_ls_codestream),
        (files.JPEG_2000, files.jpeg_2000_codestream),
    ],
)
def test_a_compressed_file_that_was_cut_is_refused(
    kept: float, syntax: str, encode: Callable[[np.ndarray], bytes]
) -> None:
    data = files.compressed_file(encode(PIXELS), PIXELS, syntax)
    assert refusal(data[: int(len(data) * kept)]).code in {"pixel_data_short", "no_pixel_data"}


def test_pixel_data_packed_otherwise_than_its_syntax_says_is_refused() -> None:
    compressed = files.compressed_file(files.jpeg_ls_codestream(PIXELS), PIXELS, files.JPEG_LS)
    as_plain = files.meta_element(0x10, b"UI", b"1.2.840.10008.1.2.1\0")
    as_compressed = files.meta_element(0x10, b"UI", b"1.2.840.10008.1.2.4.80")
    assert refusal(files.with_meta_replaced(compressed, as_plain)).code == "encapsulation"
    assert refusal(files.with_meta_replaced(files.ct_file(), as_compressed)).code == "encapsulation"


@pytest.mark.parametrize(
    ("syntax", "encode"), [(files.JPEG_LS, files.jpeg_ls_codestream), (files.JPEG_2000, files.jpeg_2000_codestream)]
)
def test_a_codestream_of_another_size_than_the_header_is_refused(
    syntax: str, encode: Callable[[np.ndarray], bytes]
) -> None:
    refused = refusal(files.compressed_file(encode(PIXELS[:, :60].copy()), PIXELS, syntax))
    assert refused.code == "codestream_size"
    assert "64 x 60" in refused.message


def test_a_tiny_codestream_that_claims_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    """GDCM ends the process on such a file; a decoder would allocate what it claims."""
    code = files.jpeg_ls_codestream(PIXELS)
    frame = code.index(b"\xff\xf7")
    huge = code[: frame + 5] + struct.pack(">HH", 8000, 8000) + code[frame + 9 :]
    data = files.compressed_file(huge, PIXELS, files.JPEG_LS, Rows=8000, Columns=8000)
    assert refusal(data).code == "codestream_size"
    rle = files.compressed_file(files.rle_codestream(PIXELS), PIXELS, files.RLE, Rows=8000, Columns=8000)
    assert refusal(rle).code == "codestream_size"


def test_a_codestream_of_another_format_is_refused() -> None:
    jpeg_ls, jpeg_2000 = files.jpeg_ls_codestream(PIXELS), files.jpeg_2000_codestream(PIXELS)
    assert refusal(files.compressed_file(jpeg_2000, PIXELS, files.JPEG_LS)).code == "codestream"
    assert refusal(files.compressed_file(jpeg_ls, PIXELS, files.JPEG_2000)).code == "codestream"
    assert refusal(files.compressed_file(jpeg_ls, PIXELS, files.JPEG_LOSSLESS)).code == "codestream"
    assert refusal(files.compressed_file(bytes(500), PIXELS, files.JPEG_LOSSLESS)).code == "codestream"


def test_what_ends_gdcm_is_taken_out_of_a_jpeg_or_refused() -> None:
    """GDCM ends the process on any remark of its JPEG library: here an unknown JFIF version, and stray bytes."""
    code = files.SAMPLE_JPEG_LOSSLESS_FIRST_ORDER
    unknown_version = code.replace(b"JFIF\x00\x01", b"JFIF\x00\x02")
    assert b"JFIF" not in bare_jpeg(unknown_version)
    data = files.compressed_file(unknown_version, files.SAMPLE, files.JPEG_LOSSLESS_FIRST_ORDER)
    assert np.array_equal(read_slice(data).stored, files.SAMPLE)
    stray = code.replace(b"\xff\xc4", b"\x00\x00\xff\xc4")
    assert refusal(files.compressed_file(stray, files.SAMPLE, files.JPEG_LOSSLESS_FIRST_ORDER)).code == "codestream"


def claiming(code: bytes, *, side: int, tile: int, precincts: bytes = b"", blocks: int = 4) -> bytes:
    """A JPEG 2000 file whose codestream has this picture side, tile side, precinct sizes and block size (exponents)."""
    size, style = code.index(b"\xff\x51"), code.index(b"\xff\x52")
    length = 12 + len(precincts)
    new = struct.pack(">HB", length, int(bool(precincts))) + code[style + 5 : style + 10]
    new += bytes((blocks, blocks)) + code[style + 12 : style + 14] + precincts
    code = code[: style + 2] + new + code[style + 14 :]
    code = code[: size + 6] + struct.pack(">6L", side, side, 0, 0, tile, tile) + code[size + 30 :]
    return files.compressed_file(code, PIXELS, files.JPEG_2000, Rows=side, Columns=side)


@pytest.mark.parametrize(
    ("parts", "counted"),
    [
        ({"side": 2048, "tile": 2048, "precincts": b"\x00" + b"\x11" * 5}, "precincts"),
        ({"side": 2048, "tile": 2048, "blocks": 0}, "precincts"),
        ({"side": 2048, "tile": 64}, "tiles"),
    ],
)
def test_a_small_jpeg_2000_file_cannot_ask_for_gigabytes_of_parts(parts: dict[str, Any], counted: str) -> None:
    """openjpeg took 2.5 GB for a file of 1 KB that is like the first: it makes all parts before it reads any."""
    refused = refusal(claiming(files.jpeg_2000_codestream(PIXELS), **parts))
    assert refused.code == "codestream"
    assert counted in refused.message


def test_small_blocks_and_precincts_of_a_small_picture_are_let_through() -> None:
    """Its data no longer fit them, which is for the decoder to see; what counts is that it is asked."""
    for parts in ({"precincts": b"\x22" * 6}, {"blocks": 1}, {}):
        data = claiming(files.jpeg_2000_codestream(PIXELS), side=64, tile=64, **parts)
        try:
            read_slice(data)
        except Refused as refused:
            assert refused.code == "unreadable"


def test_coding_styles_of_components_and_of_tile_parts_are_counted_too() -> None:
    """Both take the place of the main header's, so a harmless one there proves nothing."""
    code = files.jpeg_2000_codestream(PIXELS)
    style, tile_part = code.index(b"\xff\x52"), code.index(b"\xff\x90")
    component = struct.pack(">HHBB", 0xFF53, 9, 0, 0) + code[style + 9 : style + 10] + b"\0\0\0\1"
    for at in (tile_part, tile_part + 12):
        size = code.index(b"\xff\x51")
        harmful = code[: size + 6] + struct.pack(">6L", 2048, 2048, 0, 0, 2048, 2048) + code[size + 30 : at]
        harmful += component + code[at:]
        data = files.compressed_file(harmful, PIXELS, files.JPEG_2000, Rows=2048, Columns=2048)
        refused = refusal(data)
        assert (refused.code, "precincts" in refused.message) == ("codestream", True)
