"""A film as it is shown, in its own proportions, and the outline of a mask on it. S pixels a side, as prepared."""

from __future__ import annotations

import cv2
import numpy as np

from hounsfield.pneumothorax.regions import resize_mask

LONGEST_SIDE = 1024  # pixels of a picture, at most
OUTLINE = (58, 69, 255)  # blue, green, red
PIXEL_CENTRE = 0.5  # pixel i reaches from i to i + 1


def shown_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that a film is shown with. shape: those that it came with."""
    scale = min(1.0, LONGEST_SIDE / max(shape))
    rows, columns = (max(1, round(side * scale)) for side in shape)
    return rows, columns


def in_proportion(film: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The film in its own proportions, `shown_shape` uint8. film: (S, S) uint8, as prepared. shape: as it came."""
    rows, columns = shown_shape(shape)
    smaller = max(rows, columns) < len(film)
    return np.asarray(
        cv2.resize(film, (columns, rows), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR), np.uint8
    )


def outlines(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """The outlines of a mask's regions and of their holes, each (n, 2) x and y in pixels of a picture of `shape`.

    mask: of any size, bool. They run through the centres of the outermost pixels, whose edges are whole numbers.
    """
    return tuple(one[:, 0] + PIXEL_CENTRE for one in _contours(mask, (shape[0], shape[1])))


def outlined(film: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The film in its own proportions, the mask's outline in red on it: (h, w, 3) uint8, blue first.

    film: (S, S) uint8, as prepared. mask: (rows, columns) bool, at the film's own size.
    """
    shape = (mask.shape[0], mask.shape[1])
    picture = cv2.cvtColor(in_proportion(film, shape), cv2.COLOR_GRAY2BGR)
    found = _contours(mask, shown_shape(shape))
    cv2.drawContours(picture, found, -1, OUTLINE, 1 + max(picture.shape[:2]) // 512)
    return np.asarray(picture, np.uint8)


def _contours(mask: np.ndarray, shape: tuple[int, int]) -> list[np.ndarray]:
    """Outlines as OpenCV has them, (n, 1, 2) int32 each."""
    small = resize_mask(mask, shape).astype(np.uint8)
    found, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return list(found)
