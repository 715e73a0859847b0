"""Pixels as text within a page: lossless within a range of values, and small because neighbours resemble each other.

A slice is predicted pixel by pixel from its neighbours above and to the left, as JPEG-LS does; what the prediction
misses is small, and Huffman codes of it take 3.7 bits a pixel in real heads. The page undoes it in volume.js.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Characters that the pixels of a page may take. 40 slices of 512 x 512 pixels stay below 15 MB with any noise that a CT
# has; 400 of them are averaged to 256 x 256.
BUDGET = 24_000_000
SAMPLE = 5  # slices, by which the size of the rest is guessed before any of them is packed


@dataclass(frozen=True)
class Packed:
    """A series as a page holds it."""

    slices: list[str]  # N
    rows: int
    columns: int
    reduction: int  # each pixel is the mean of so many rows and columns


def pack_series(values: np.ndarray, low: int, high: int, budget: int = BUDGET) -> Packed:
    """Pack slices, in the finest matrix that fits the budget.

    values: (N, H, W) int16, may be memory-mapped; clipped to [low, high]. budget: characters for all slices.
    """
    count = len(values)
    some = values[np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).round().astype(int))]
    for reduction in range(1, max(values.shape[1:]) + 1):
        guess = sum(map(len, _packed(some, low, high, reduction))) * count / len(some)
        if guess > budget and reduction < max(values.shape[1:]):
            continue
        slices, size = [], 0
        for text in _packed(values, low, high, reduction):
            slices.append(text)
            size += len(text)
        if size <= budget:
            break
    rows, columns = (-(-edge // reduction) for edge in values.shape[1:])
    return Packed(slices, rows, columns, reduction)


def pack_bytes(values: np.ndarray) -> str:
    """Base64 of deflated bytes. values: any shape, uint8, in C order."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 9)).decode()


def _packed(values: np.ndarray, low: int, high: int, reduction: int) -> Iterator[str]:
    for one in values:
        yield pack_slice(block_means(one, reduction).clip(low, high).astype(np.int16) - np.int16(low))


def block_means(values: np.ndarray, side: int) -> np.ndarray:
    """The mean of each `side` x `side` block of pixels, rounded; at the right and lower edge, of what is there.

    values: (H, W). Returns (ceil(H / side), ceil(W / side)) of the same type.
    """
    if side == 1:
        return values
    starts = [np.arange(0, edge, side) for edge in values.shape]
    sums = np.add.reduceat(np.add.reduceat(values, starts[0], axis=0, dtype=np.int64), starts[1], axis=1)
    heights, widths = (np.diff([*start, edge]) for start, edge in zip(starts, values.shape, strict=True))
    return np.rint(sums / np.outer(heights, widths)).astype(values.dtype)


def pack_slice(values: np.ndarray) -> str:
    """One slice as base64 of deflated bytes: the low bytes of every pixel's code, row by row, then the high bytes.

    values: (H, W) int16, from 0 to 2**14. The code is twice what the prediction misses, or, where the value lies below
    the prediction, twice as much less one. Beyond the left and upper edge every neighbour is 0.
    Source of the prediction: ITU-T T.87, A.4.2 (median edge detector).
    """
    left, above, corner = (np.zeros_like(values) for _ in range(3))
    left[:, 1:], above[1:], corner[1:, 1:] = values[:, :-1], values[:-1], values[:-1, :-1]
    lower, upper = np.minimum(left, above), np.maximum(left, above)
    # the median of left, above, and their plane is that plane, held between the two
    missed = values - np.clip(left + above - corner, lower, upper)
    code = np.where(missed < 0, -2 * missed - 1, 2 * missed).astype("<u2")
    planes = code.view(np.uint8).reshape(-1, 2).T
    # run lengths and Huffman codes alone: in noise a search for repeats finds none, and takes long
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return base64.b64encode(packer.compress(planes.tobytes()) + packer.flush()).decode()
