"""From a map to the mask that is submitted: the rule, the mask's regions, the film's own size (section 8).

S x S pixels of a map; (rows, columns) of a film as it came.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from hounsfield.pneumothorax.config import SubmissionConfig, Triplet
from hounsfield.pneumothorax.rules import above, apply_rule


def submitted_mask(
    values: np.ndarray, rule: Triplet, config: SubmissionConfig, size: tuple[int, int], count: int = 1
) -> np.ndarray:
    """The mask of one film, (rows, columns) bool.

    values: its map. size: (rows, columns). count: rows that the sample submission has of it. Where it asks
    for several masks, the film shows a pneumothorax (the competition's first stage told so by accident): no area is
    needed.
    """
    leak = rule.bottom if config.leak is None else config.leak
    mask = above(values, leak) if count > 1 else apply_rule(values, rule)
    return resize_mask(keep_regions(mask, config, count), size)


def keep_regions(mask: np.ndarray, config: SubmissionConfig, count: int = 1) -> np.ndarray:
    """The regions of a mask that are kept, (S, S) bool. count: how many, where only the largest are.

    Contours are published: the largest are taken only where no least area is asked for.
    """
    least = config.least_region * mask.size  # pixels
    most = count if config.most_regions else None
    if config.regions == "all" or not mask.any():
        return mask
    if config.regions == "contours":
        return _keep_contours(mask, least, None if least > 0 else most)
    return _keep_components(mask, least, most, fill=config.holes == "fill")


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask at another size, (rows, columns) bool: bilinear, and where it is at least half."""
    if mask.shape == size:
        return mask
    grey = cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_LINEAR)
    return grey > 127  # of 255


def _keep_components(mask: np.ndarray, least: float, most: int | None, *, fill: bool) -> np.ndarray:
    """8-connected components with more than `least` pixels, holes not counted; of these the `most` largest."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = facts[:, cv2.CC_STAT_AREA]
    kept = np.zeros(len(areas), bool)
    kept[_largest(range(1, len(areas)), lambda label: float(areas[label]), least, most)] = True  # 0 is what surrounds
    found = kept[labels]
    if not fill:
        return found
    outlines, _ = cv2.findContours(found.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return _drawn(outlines, mask.shape)


def _keep_contours(mask: np.ndarray, least: float, most: int | None) -> np.ndarray:
    """Contours whose polygon is larger than `least`, outlines of holes among them, drawn at once and even-odd."""
    contours, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    kept = _largest(range(len(contours)), lambda number: cv2.contourArea(contours[number]), least, most)
    return _drawn([contours[number] for number in kept], mask.shape)


def _largest(items: range, area: Callable[[int], float], least: float, most: int | None) -> list[int]:
    large = [item for item in items if least <= 0 or area(item) > least]
    return large if most is None else sorted(large, key=area, reverse=True)[:most]


def _drawn(contours: list[np.ndarray] | tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    cv2.drawContours(canvas, contours, -1, 1, cv2.FILLED)
    return canvas.astype(bool)
