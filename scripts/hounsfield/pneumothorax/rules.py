"""The rule that turns a film's map of probabilities into a mask (SIIM-ACR 2019, 1st place, section 7).

A triplet (top, area, bottom): a film shows a pneumothorax when enough of its pixels are above `top`, and then its mask
is every pixel above `bottom`. The two older rules are triplets, too. All comparisons are strict but that of the area.

S x S pixels; a map holds probabilities as float32, or as uint8 in 255ths.
"""

from __future__ import annotations

import numpy as np

from hounsfield.pneumothorax.config import Triplet

LEVELS = np.arange(256) / 255  # the probabilities that a uint8 map can hold


def least_pixels(rule: Triplet, pixels: int) -> int:
    """How many of an image's `pixels` must be above the rule's top: its share, rounded."""
    return round(rule.area * pixels)


def above(values: np.ndarray, threshold: float) -> np.ndarray:
    """Which probabilities are greater, a bool for each. values: a map, or a part of one."""
    if values.dtype == np.uint8:  # compared as they are, eight times faster than as float32
        return values > np.searchsorted(LEVELS, threshold, side="right") - 1
    return values > float(threshold)  # as float32, which a numpy number would not become


def shows_pneumothorax(values: np.ndarray, rule: Triplet) -> bool:
    """Whether enough pixels of a map are above the rule's top."""
    return bool(np.count_nonzero(above(values, rule.top)) >= least_pixels(rule, values.size))


def apply_rule(values: np.ndarray, rule: Triplet) -> np.ndarray:
    """The mask that a rule makes of a map, (S, S) bool."""
    return above(values, rule.bottom) & shows_pneumothorax(values, rule)


def film_probability(values: np.ndarray, rule: Triplet) -> float:
    """The probability that a film shows a pneumothorax: the greatest `top` below which the rule says so.

    That is the map's n-th largest value, n being the rule's area; the rule's own decision is that it exceeds `top`.
    """
    place = values.size - max(least_pixels(rule, values.size), 1)
    value = np.partition(values.ravel(), place)[place]
    return float(LEVELS[value] if values.dtype == np.uint8 else value)


def in_words(rule: Triplet) -> str:
    """A rule as a person reads it."""
    return f"top {rule.top:g}, area {1000 * rule.area:.3g} per mille, bottom {rule.bottom:g}"
