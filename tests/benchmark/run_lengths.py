"""Run-length encoding of masks beside the pixel-by-pixel reference, on masks as the competition has them."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.measurements import Line, fastest
from hounsfield.competitions.siim2019.rle import decode, encode
from reference.film_masks import decode_pixel_by_pixel, encode_pixel_by_pixel

AT_LEAST = 200  # times the plain reference
CALLS = 50  # of ours for each of the reference's: a call is so short that whatever else runs would double it


def pneumothorax_mask(size: int) -> np.ndarray:
    """A crescent along a chest wall and an apical cap, (size, size) bool."""
    mask = np.zeros((size, size), np.uint8)
    middle = (size * 3 // 10, size * 45 // 100)
    cv2.ellipse(mask, middle, (size * 16 // 100, size * 32 // 100), 8, 0, 360, 1, -1)
    lung = (middle[0] + size // 40, middle[1] + size // 25)
    cv2.ellipse(mask, lung, (size * 15 // 100, size * 30 // 100), 8, 0, 360, 0, -1)
    return mask.astype(bool)


def run_length_lines(*, size: int, repeats: int) -> list[Line]:
    """Time encoding and decoding of one mask of `size` pixels square."""
    mask = pneumothorax_mask(size)
    text, rows = encode(mask), mask.astype(int).tolist()

    ours_encode, ours_decode = fastest([lambda: encode(mask), lambda: decode(text, (size, size))], CALLS * repeats)
    slow_encode, slow_decode = fastest(
        [lambda: encode_pixel_by_pixel(rows), lambda: decode_pixel_by_pixel(text, size, size)], repeats
    )
    note = f"{size} x {size} pixels, {len(text.split()) // 2} runs; the reference looks at each pixel"
    return [
        Line(what=what, measured=1 / ours, unit="masks/s", reference=1 / slow, at_least=AT_LEAST, note=note)
        for what, ours, slow in (
            ("run lengths, encoding", ours_encode, slow_encode),
            ("run lengths, decoding", ours_decode, slow_decode),
        )
    ]
