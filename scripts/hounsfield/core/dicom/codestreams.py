"""Which codec reads which transfer syntax, and what a compressed picture says of itself before any decoder runs.

A decoder allocates what this header claims, and one of them ends the process on a wild claim; so it is read here
first, in a few bytes, and compared with the DICOM header.
Sources: ITU-T T.81 (JPEG), T.87 (JPEG-LS), T.800 (JPEG 2000).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from hounsfield.core.errors import Refused

# The codec of each transfer syntax that is read. What is not here is refused by name.
CODECS: dict[str, str] = {
    "1.2.840.10008.1.2": "native",
    "1.2.840.10008.1.2.1": "native",
    "1.2.840.10008.1.2.1.99": "native",
    "1.2.840.10008.1.2.2": "native",
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.4.50": "jpeg",
    "1.2.840.10008.1.2.4.51": "jpeg",
    "1.2.840.10008.1.2.4.57": "jpeg",
    "1.2.840.10008.1.2.4.70": "jpeg",
    "1.2.840.10008.1.2.4.80": "jpeg_ls",
    "1.2.840.10008.1.2.4.81": "jpeg_ls",
    "1.2.840.10008.1.2.4.90": "jpeg_2000",
    "1.2.840.10008.1.2.4.91": "jpeg_2000",
    "1.2.840.10008.1.2.4.201": "jpeg_2000",  # 201 to 203: High-Throughput JPEG 2000, which openjpeg reads too
    "1.2.840.10008.1.2.4.202": "jpeg_2000",
    "1.2.840.10008.1.2.4.203": "jpeg_2000",
}

JPEG_START = b"\xff\xd8"
JPEG_LS_FRAME = 0xF7
JPEG_LOSSLESS_FRAME = 0xC3
JPEG_LOSSY_FRAMES = frozenset({0xC0, 0xC1})  # baseline, extended sequential
JPEG_LOSSY_PRECISIONS = frozenset({8, 12})
JPEG_PROCESSES = {0xC2: "progressive", 0xC9: "with arithmetic coding", 0xCA: "progressive, with arithmetic coding"}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {JPEG_LS_FRAME}
_SCAN = 0xDA
_NEEDED = frozenset({0xC4, 0xDB, 0xDD, _SCAN, JPEG_LOSSLESS_FRAME}) | JPEG_LOSSY_FRAMES  # and tables, restart interval
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xDA))  # restarts, start and end of the image
_HEADER_LIMIT = 2**20  # bytes; before the frame header stand tables and comments, of 64 KiB at most each
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_SIZE_SEGMENT = Struct(">HH8L")  # length, capabilities, extent, offset, tile, tile offset (x before y)
_TILES_LIMIT = 65_535  # T.800, A.4.2
_TILE_PART_BYTES = 14  # of the least tile-part: its header and the marker before its data
# A decoder keeps several hundred bytes for each precinct and about fifty for each code-block; as many as this are free.
FREE_PARTS = 2**17
_LONGEST_STYLE = 12 + 33  # bytes: 32 levels, a precinct size each and one more


@dataclass(frozen=True)
class Claim:
    """The picture as its codestream describes it."""

    rows: int
    columns: int
    components: int
    precision: int  # bits of a pixel
    signed: bool = False  # only JPEG 2000 has a sign of its own
    frame: int = 0  # the JPEG frame marker's second byte, which names the process


def jpeg_claim(code: bytes) -> Claim:
    """Read the frame header of a JPEG or JPEG-LS codestream. Raises Refused: codestream."""
    for marker, start, end in _jpeg_segments(code):
        if marker in _FRAMES and end - start >= 10:
            rows, columns = (int.from_bytes(code[at : at + 2], "big") for at in (start + 5, start + 7))
            return Claim(rows, columns, components=code[start + 9], precision=code[start + 4], frame=marker)
    raise Refused("codestream", "the JPEG codestream has no frame header; export the file again")


def bare_jpeg(code: bytes) -> bytes:
    """The codestream with those segments alone that a decoder of grey pixels needs: tables, frame, scans.

    GDCM ends the process at the first thing that its JPEG library remarks on before the picture begins, such as an
    unknown version in the application data, or a stray byte between two segments. Raises Refused: codestream.
    """
    segments = list(_jpeg_segments(code))
    kept = [code[start:end] for marker, start, end in segments if marker in _NEEDED]
    return JPEG_START + b"".join(kept) + code[segments[-1][2] :]


def _jpeg_segments(code: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker (its second byte), start and end of each segment, up to and including the header of the first scan."""
    if not code.startswith(JPEG_START):
        raise Refused("codestream", "the compressed pixel data does not begin as JPEG; export the file again")
    start, limit = 2, min(len(code), _HEADER_LIMIT)
    while start + 4 <= limit and code[start] == 0xFF:
        marker = code[start + 1]
        if marker == 0xFF:  # a fill byte
            start += 1
            continue
        end = start + 2 + int.from_bytes(code[start + 2 : start + 4], "big")
        if marker < 0xC0 or marker in _WITHOUT_LENGTH or end < start + 4 or end > len(code):
            break
        yield marker, start, end
        if marker == _SCAN:
            return
        start = end
    raise Refused("codestream", "the JPEG codestream's header is damaged; export the file again")


def jpeg_2000_codestream(code: bytes) -> bytes:
    """The bare codestream, without the JP2 boxes that some writers leave around it (not allowed by PS3.5, A.4.4)."""
    if code.startswith(_JPEG_2000_START):
        return code
    start = code.find(_JPEG_2000_START, 0, 4096)
    if start < 0:
        raise Refused("codestream", "the compressed pixel data does not begin as JPEG 2000; export the file again")
    return code[start:]


def jpeg_2000_claim(code: bytes) -> Claim:
    """Read the SIZ segment of a bare JPEG 2000 codestream. Raises Refused: codestream."""
    if len(code) < 45:
        raise Refused("codestream", "the JPEG 2000 codestream ends within its header; copy the file again")
    _, _, right, bottom, left, top, tile_columns, tile_rows, _, _ = _SIZE_SEGMENT.unpack_from(code, 4)
    components, sample, step_x, step_y = int.from_bytes(code[40:42], "big"), code[42], code[43], code[44]
    columns, rows = right - left, bottom - top
    if not tile_columns or not tile_rows or (step_x, step_y) != (1, 1) or columns < 1 or rows < 1:
        raise Refused("codestream", "the JPEG 2000 codestream's size segment is broken; export the file again")
    tiles = -(-columns // tile_columns) * -(-rows // tile_rows)
    if tiles > min(_TILES_LIMIT, len(code) // _TILE_PART_BYTES):
        raise Refused("codestream", "the JPEG 2000 codestream claims too many tiles; export the file again")
    return Claim(rows, columns, components, precision=(sample & 0x7F) + 1, signed=bool(sample & 0x80))


def check_jpeg_2000_parts(code: bytes) -> None:
    """Refuse a codestream that cuts its tiles into more precincts and code-blocks than it could fill.

    A decoder makes all of them before it reads any, so that a file of 1 KB could take gigabytes. (A limit on the
    workers' address space would stop it as well, but not below what the largest honest picture needs: 1.5 GB in every
    worker, on a Dask worker none, and on macOS none.) Raises Refused: codestream.
    """
    _, _, right, bottom, left, top, tile_columns, tile_rows, _, _ = _SIZE_SEGMENT.unpack_from(code, 4)
    rows, columns = bottom - top, right - left
    tiles = -(-columns // tile_columns) * -(-rows // tile_rows)
    tile = min(rows, tile_rows), min(columns, tile_columns)
    if tiles * max((_parts(style, *tile) for style in _coding_styles(code)), default=0) > max(FREE_PARTS, len(code)):
        raise Refused("codestream", "the JPEG 2000 codestream claims too many precincts or blocks; export it again")


def _coding_styles(code: bytes) -> Iterator[bytes]:
    """What may be a coding style, from its number of levels on (T.800, A.6.1, A.6.2).

    They stand in the main header and in that of any tile-part, and decoders pass over much on their way there; so all
    of the codestream is searched.
    """
    for marker, head in ((b"\xff\x52", 9), (b"\xff\x53", 6)):  # of the whole picture, of a component
        start = code.find(marker)
        while start >= 0:
            length = int.from_bytes(code[start + 2 : start + 4], "big")
            if length <= _LONGEST_STYLE:
                yield code[start + head : start + 2 + length]
            start = code.find(marker, start + 2)


def _parts(style: bytes, rows: int, columns: int) -> int:
    """Precincts and code-blocks of a tile of this size; 0 where this is no coding style."""
    if len(style) < 5 or len(style) not in (5, 6 + style[0]) or style[1] + style[2] > 8:
        return 0
    levels, block_columns, block_rows = style[0], style[1] + 2, style[2] + 2  # exponents of two
    precincts = style[5:] or b"\xff" * (levels + 1)
    parts = 0
    for resolution in range(levels + 1):
        width, height = (-(-side >> (levels - resolution)) for side in (columns, rows))
        across, down = precincts[resolution] & 0x0F, precincts[resolution] >> 4
        halved, bands = (1, 3) if resolution else (0, 1)  # the bands of a higher resolution have half its sides
        block_width = halved + min(block_columns, max(across - halved, 0))
        block_height = halved + min(block_rows, max(down - halved, 0))
        parts += -(-width >> across) * -(-height >> down)
        parts += bands * -(-width >> block_width) * -(-height >> block_height)
    return parts
