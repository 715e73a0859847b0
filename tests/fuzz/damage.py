"""Mutation NUMBER of a file: the same seed, syntax and number give the same bytes, whatever else is made.

A mutation is one kind of damage at one place. The places are drawn by region, so that the few bytes of meta
information and headers are hit as often as the many of the pixels.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from struct import pack
from typing import NamedTuple

from pydicom.uid import UID

from fuzz.anatomy import Anatomy, Element, Field

REGION_WEIGHTS = {"meta": 12, "header": 33, "codestream": 25, "pixels": 30}
LONGEST_RUN = 4096  # bytes overwritten, inserted or removed; short runs are as likely as long ones
OUTSIDE_SHARE = 0.3  # of a deflated file's mutations, those that damage what is deflated and not what was

NUMBERS = (0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 24, 31, 32, 33, 63, 64, 127, 128, 129, 255, 256, 511, 512,
           513, 1000, 2047, 2048, 4095, 4096, 8191, 8192, 8193, 16384, 32767, 32768, 65534, 65535)  # fmt: skip
LENGTHS = (0, 1, 2, 3, 7, 8, 255, 65534, 65535, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
TEXTS = ("", " ", "\0\0", "0", "-0", "1", "-1", "0.5", "2", "100", "-1024", "-32768", "99999", "1e5", "1e-7", "1e308",
         "-1e308", "1e400", "1e-320", "nan", "inf", "-inf", "1,5", "0x10", "abc", "1\\1", "0\\0\\0", "1\\0\\0\\0\\1\\0",
         "nan\\nan\\nan", "1e308\\1e308\\1e308", "\\\\", "9" * 16, "9" * 400, "1" * 5000, "1\\" * 3000)  # fmt: skip
WORDS = ("", "MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "PALETTE COLOR", "CT", "MR", "CT\\MR", "LOCALIZER",
         "ISO_IR 192", "ISO 2022 IR 87", "\\ISO 2022 IR 149", "../../x", "1.2.840.10008.5.1.4.1.1.2.1", "CON",
         "\xff" * 16, "x" * 300, "A\\" * 2000)  # fmt: skip

# The elements that the reader uses, with their value representation.
ELEMENTS: dict[int, str] = {
    0x00080005: "CS", 0x00080008: "CS", 0x00080016: "UI", 0x00080018: "UI", 0x00080060: "CS", 0x00100020: "LO",
    0x00180015: "CS", 0x0020000D: "UI", 0x0020000E: "UI", 0x00200013: "IS", 0x00200032: "DS", 0x00200037: "DS",
    0x00280002: "US", 0x00280004: "CS", 0x00280008: "IS", 0x00280010: "US", 0x00280011: "US", 0x00280030: "DS",
    0x00280100: "US", 0x00280101: "US", 0x00280102: "US", 0x00280103: "US", 0x00280120: "US", 0x00280121: "US",
    0x00281050: "DS", 0x00281051: "DS", 0x00281052: "DS", 0x00281053: "DS",
}  # fmt: skip
ROWS, COLUMNS = 0x00280010, 0x00280011
OTHER_REPRESENTATIONS = ("AT", "FD", "OB", "SQ", "UN", "UT", "SS", "LT", "??", "\0\0")


class Mutation(NamedTuple):
    """A damaged file."""

    kind: str
    source: int  # which of the sound files it was made of
    data: bytes


def mutate(sources: Sequence[Sequence[Anatomy]], seed: int, syntax: str, number: int) -> Mutation:
    """Mutation `number` of the sound files of a transfer syntax, each given by its anatomies (see dissect)."""
    rng = random.Random(f"{seed}/{syntax}/{number}")
    source = number % len(sources)
    anatomies = sources[source]
    anatomy = anatomies[-1] if rng.random() < OUTSIDE_SHARE else anatomies[0]
    kinds = [kind for kind in KINDS if _possible(kind, anatomy)]
    while True:
        (kind,) = rng.choices(kinds, [KINDS[kind][1] for kind in kinds])
        data = KINDS[kind][0](rng, anatomy)
        if data != anatomy.data:
            return Mutation(kind, source, data if anatomy.before is None else anatomy.before + _deflated(data))


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def _possible(kind: str, anatomy: Anatomy) -> bool:
    needed: dict[str, object] = {
        "length": anatomy.elements, "value": anatomy.elements, "fragments": anatomy.items, "sizes": anatomy.fields,
    }  # fmt: skip
    return bool(needed.get(kind, True))


def _place(rng: random.Random, anatomy: Anatomy) -> int:
    names = [name for name, region in anatomy.regions.items() if region]
    (name,) = rng.choices(names, [REGION_WEIGHTS[name] for name in names])
    return rng.choice(anatomy.regions[name])


def _run_length(rng: random.Random, longest: int = LONGEST_RUN) -> int:
    return int(longest ** rng.random())


def _cut(rng: random.Random, anatomy: Anatomy) -> bytes:
    at = rng.randrange(132) if rng.random() < 0.05 else _place(rng, anatomy)
    return anatomy.data[:at]


def _flip(rng: random.Random, anatomy: Anatomy) -> bytes:
    damaged = bytearray(anatomy.data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        damaged[_place(rng, anatomy)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _overwrite(rng: random.Random, anatomy: Anatomy) -> bytes:
    at = _place(rng, anatomy)
    length = min(_run_length(rng), len(anatomy.data) - at)
    run = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return _spliced(anatomy.data, at, at + length, run)


def _insert(rng: random.Random, anatomy: Anatomy) -> bytes:
    at, length = _place(rng, anatomy), _run_length(rng)
    return _spliced(anatomy.data, at, at, rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length))))


def _remove(rng: random.Random, anatomy: Anatomy) -> bytes:
    at = _place(rng, anatomy)
    return _spliced(anatomy.data, at, at + _run_length(rng), b"")


def _length(rng: random.Random, anatomy: Anatomy) -> bytes:
    """Change the length that an element, or the pixel data, gives of itself."""
    end = rng.choice([anatomy.pixels, *(element.value for element in anatomy.elements)])
    size = rng.choice((2, 4, 4)) if end != anatomy.pixels else 4
    true = int.from_bytes(anatomy.data[end - size : end], "little" if anatomy.byte_order == "<" else "big")
    length = rng.choice((*LENGTHS, true + 1, true - 1, true + 2, true - 2, true * 2, len(anatomy.data)))
    return _spliced(anatomy.data, end - size, end, _packed(length, size, anatomy.byte_order))


def _value(rng: random.Random, anatomy: Anatomy) -> bytes:
    """Give one to three elements extreme values; an element that is not there is put in."""
    data = anatomy.data
    for tag in sorted(rng.sample(sorted(ELEMENTS), rng.choice((1, 1, 2, 3))), reverse=True):  # places stay valid
        representation = ELEMENTS[tag]
        if representation == "US":
            count = rng.choice((1, 1, 1, 1, 1, 0, 2, 3))
            value = b"".join(_packed(rng.choice(NUMBERS), 2, anatomy.byte_order) for _ in range(count))
        else:
            text = rng.choice(TEXTS if representation in ("DS", "IS") else WORDS)
            value = text.encode("latin-1") + b" " * (len(text) % 2)
        if rng.random() < 0.05:
            representation = rng.choice(OTHER_REPRESENTATIONS)
        data = _with_element(data, anatomy, tag, representation, value)
    return data


def _with_element(data: bytes, anatomy: Anatomy, tag: int, representation: str, value: bytes) -> bytes:
    """The data set with this element in place of the one there, if any."""
    order = anatomy.byte_order
    head = pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if UID(anatomy.syntax).is_implicit_VR:
        head += pack(f"{order}L", len(value))
    elif representation in ("OB", "SQ", "UN", "UT"):
        head += representation.encode() + pack(f"{order}HL", 0, len(value))
    else:
        head += representation.encode() + pack(f"{order}H", len(value))
    old = _element(anatomy, tag)
    return _spliced(data, old.start, old.end, head + value)


def _element(anatomy: Anatomy, tag: int) -> Element:
    """The element of this tag, or an empty one where it would stand."""
    after = anatomy.elements[-1].end
    for element in anatomy.elements:
        if element.tag == tag:
            return element
        if element.tag > tag:
            after = element.start
            break
    return Element(tag, after, after, after)


def _fragments(rng: random.Random, anatomy: Anatomy) -> bytes:
    """Damage the offset table or the head of a fragment, add an empty one, or take one away."""
    place = rng.randrange(len(anatomy.items))
    at = anatomy.items[place]
    end = anatomy.items[place + 1] if place + 1 < len(anatomy.items) else len(anatomy.data)
    true = int.from_bytes(anatomy.data[at + 4 : at + 8], "little")
    what = rng.randrange(5)
    if what == 0:
        length = rng.choice((*LENGTHS, true + 1, true - 1, true + 2, true * 2))
        return _spliced(anatomy.data, at + 4, at + 8, _packed(length, 4, "<"))
    if what == 1:
        tag = pack("<HH", *rng.choice(((0xFFFE, 0xE0DD), (0xFFFE, 0xE00D), (0xFFFE, 0xE000), (0, 0), (0x7FE0, 0x10))))
        return _spliced(anatomy.data, at, at + 4, tag)
    if what == 2:
        return _spliced(anatomy.data, at, at, pack("<HHL", 0xFFFE, 0xE000, 0) * rng.choice((1, 2, 5000)))
    if what == 3:
        return _spliced(anatomy.data, at, end, b"")
    table = b"".join(_packed(rng.choice(LENGTHS), 4, "<") for _ in range(rng.choice((1, 1, 2, 3, 500))))
    first = anatomy.items[0]
    return _spliced(anatomy.data, first, anatomy.items[1], pack("<HHL", 0xFFFE, 0xE000, len(table)) + table)


def _block(rng: random.Random, anatomy: Anatomy) -> bytes:
    """Copy, move or exchange a block of the pixels."""
    pixels = anatomy.regions["pixels"]
    length = _run_length(rng, max(1, min(LONGEST_RUN * 4, len(pixels) // 2)))
    at, to = (rng.choice(pixels) for _ in range(2))
    block = anatomy.data[at : at + length]
    what = rng.randrange(3)
    if what == 0:
        return _spliced(anatomy.data, to, to, block)
    if what == 1:
        return _spliced(anatomy.data, to, to + len(block), block)
    rest = _spliced(anatomy.data, at, at + length, b"")
    return _spliced(rest, to, to, block)


def _sizes(rng: random.Random, anatomy: Anatomy) -> bytes:
    """Change what the codestream says of its size and form, in half of the cases with Rows and Columns to match."""
    changed = {field: rng.choice(NUMBERS) for field in rng.sample(anatomy.fields, rng.choice((1, 1, 2)))}
    if rng.random() < 0.5:
        changed |= {field: rng.choice(NUMBERS) for field in anatomy.fields if field.name in ("rows", "columns")}
    data = anatomy.data
    for field, number in changed.items():
        data = _with_field(rng, data, anatomy, field, number)
    if rng.random() < 0.5:
        return data
    sizes = {field.name: number for field, number in changed.items()}
    for tag, name in ((COLUMNS, "columns"), (ROWS, "rows")):
        if name in sizes:
            data = _with_element(data, anatomy, tag, "US", _packed(sizes[name], 2, anatomy.byte_order))
    return data


def _with_field(rng: random.Random, data: bytes, anatomy: Anatomy, field: Field, number: int) -> bytes:
    if field.name not in ("rows", "columns") and rng.random() < 0.3:
        number = rng.choice(LENGTHS) if field.size == 4 else rng.randrange(2 ** (8 * field.size))
    order = "<" if field.name == "segment" else ">"
    return _spliced(data, field.at, field.at + field.size, _packed(number, field.size, order))


def _spliced(data: bytes, start: int, end: int, new: bytes) -> bytes:
    return data[:start] + new + data[end:]


def _packed(number: int, size: int, order: str) -> bytes:
    return (number % 2 ** (8 * size)).to_bytes(size, "little" if order == "<" else "big")


# Every kind of damage, with its weight.
KINDS: dict[str, tuple[Callable[[random.Random, Anatomy], bytes], int]] = {
    "cut": (_cut, 8),
    "flip": (_flip, 20),
    "overwrite": (_overwrite, 14),
    "insert": (_insert, 7),
    "remove": (_remove, 7),
    "length": (_length, 8),
    "value": (_value, 16),
    "fragments": (_fragments, 6),
    "block": (_block, 5),
    "sizes": (_sizes, 9),
}
