"""The box that holds what an image shows, and the square that is cut by it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Box(NamedTuple):
    """A rectangle of pixels, half-open: columns x0 to x1, rows y0 to y1."""

    x0: int
    y0: int
    x1: int
    y1: int


def bounding_box(shown: np.ndarray) -> Box:
    """The smallest box around the non-zero pixels. shown: (rows, columns) bool. All False: the whole image."""
    x, y, width, height = cv2.boundingRect(shown.view(np.uint8))
    return Box(x, y, x + width, y + height) if width else Box(0, 0, shown.shape[1], shown.shape[0])


def box_of_shown(image: np.ndarray) -> Box:
    """The smallest box around what is not black in every channel. image: (rows, columns, 3) uint8."""
    # a maximum over the last dimension takes many times as long
    return bounding_box((image[..., 0] | image[..., 1] | image[..., 2]) > 0)


def crop_to_square(image: np.ndarray, box: Box) -> np.ndarray:
    """Cut `box` out and place it at the top-left corner of a black square of its longer side.

    image: (rows, columns, channels) uint8. Returns (side, side, channels) uint8.
    """
    cut = image[box.y0 : box.y1, box.x0 : box.x1]
    side = max(cut.shape[:2])
    square = np.zeros((side, side, image.shape[2]), image.dtype)
    square[: cut.shape[0], : cut.shape[1]] = cut
    return square


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize (rows, columns, channels) uint8 to (size, size, channels), bilinear."""
    return image if image.shape[:2] == (size, size) else cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
