"""One pixel after the other of a slice that is flipped, moved and distorted (RSNA 2022, 3rd place, section 1).

"AUG (one parameter draw shared by every image of the sample), in order: ... horizontal flip ...; shift / scale /
rotate, zero border ...; one of {grid distortion, elastic (... three anchor points jittered ...)}, both with
reflect-101 border."

A pixel of the result is looked for the other way round: where the distortion takes it from, mirrored at the middle of
the outermost pixels; where the affine map takes that place from; where the flip takes that from. There the slice is
read once, bilinear, with 0 around it.

By hand, in a row of 4 pixels: place -1.5 is mirrored to 1.5, place 4 to 2. Between 10 and 30 lies 20, and half a pixel
outside of 30 is half of it. Moved by one pixel to the right, what is seen at 2 was at 1; flipped before that, at 2.

>>> mirrored(-1.5, 4), mirrored(4, 4), mirrored(2.5, 4)
(1.5, 2, 2.5)
>>> row = np.array([[10, 30]])
>>> bilinear(row, 0.5, 0), bilinear(row, 1.5, 0), bilinear(row, 2.5, 0)
(20.0, 15.0, 0.0)
>>> taken_from([[1, 0, 1], [0, 1, 0]], 2, 0)
(1.0, 0.0)
>>> resampled(np.array([[0, 10, 20, 30]]), flip=True, affine=[[1, 0, 1], [0, 1, 0]]).tolist()
[[0, 30, 20, 10]]
>>> resampled(np.array([[0, 10, 20, 30]]), distortion=lambda x, y: (x + 1, y)).tolist()
[[10, 20, 30, 20]]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

Matrix = Sequence[Sequence[float]]


def mirrored(place: float, size: int) -> float:
    """The place within 0 .. size - 1 that shows the same."""
    while not 0 <= place <= size - 1:
        place = -place if place < 0 else 2 * (size - 1) - place
    return place


def bilinear(image: np.ndarray, x: float, y: float) -> float:
    """The grey level between four pixels, those outside of the image 0."""
    level = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                level += float(image[row, column]) * (1 - abs(x - column)) * (1 - abs(y - row))
    return level


def taken_from(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """The place that an affine map, (2, 3), brings to x, y."""
    (a, b, c), (d, e, f) = matrix
    determinant = a * e - b * d
    return (e * (x - c) - b * (y - f)) / determinant, (a * (y - f) - d * (x - c)) / determinant


def resampled(
    image: np.ndarray,
    *,
    flip: bool = False,
    affine: Matrix | None = None,
    distortion: Callable[[int, int], tuple[float, float]] | None = None,
) -> np.ndarray:
    """The image (rows, columns), changed. distortion: x, y of a pixel -> x, y of where it is taken from."""
    changed = np.zeros_like(image)
    rows, columns = image.shape
    for row in range(rows):
        for column in range(columns):
            x, y = float(column), float(row)
            if distortion is not None:
                x, y = distortion(column, row)
                x, y = mirrored(x, columns), mirrored(y, rows)
            if affine is not None:
                x, y = taken_from(affine, x, y)
            if flip:
                x = columns - 1 - x
            changed[row, column] = round(bilinear(image, x, y))
    return changed
