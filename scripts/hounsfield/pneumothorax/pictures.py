"""A picture of a film with the outline of the mask that was predicted. S pixels a side of a prepared film."""

from __future__ import annotations

import cv2
import numpy as np

from hounsfield.pneumothorax.regions import resize_mask

LONGEST_SIDE = 1024  # pixels of a picture, at most
OUTLINE = (58, 69, 255)  # blue, green, red


def outlined(film: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The film in its own proportions, the mask's outline in red on it: (h, w, 3) uint8, blue first.

    film: (S, S) uint8, as prepared. mask: (rows, columns) bool, at the film's own size.
    """
    scale = min(1.0, LONGEST_SIDE / max(mask.shape))
    rows, columns = (max(1, round(side * scale)) for side in mask.shape)
    smaller = max(rows, columns) < len(film)
    grey = cv2.resize(film, (columns, rows), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    small = resize_mask(mask, (rows, columns)).astype(np.uint8)
    outlines, _ = cv2.findContours(small, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, OUTLINE, 1 + max(rows, columns) // 512)
    return np.asarray(picture, np.uint8)
