"""Series as another scanner, protocol or archive might have given them: what a model should stand, or be known not to.

n slices of a series in order, H x W pixels in Hounsfield units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

AIR = -1000  # HU, beyond the edge of a turned picture
NOISE = 10.0  # HU, standard deviation: about twice that of a routine head CT
INTERCEPT = 10  # HU
DEGREES = 10.0
MISSING = 3  # every third slice
# (n, H, W) int16 and a source of chance -> the same shape
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _all(count: int) -> np.ndarray:
    return np.arange(count)


@dataclass(frozen=True)
class Shift:
    """One way in which a series may be another."""

    name: str
    words: str
    change: Change | None = None  # None: the pixels stay as they are
    kept: Callable[[int], np.ndarray] = _all  # of n slices the places of those that are read, in the order of reading


def with_noise(values: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """White noise of NOISE HU on every pixel."""
    noise = chance.standard_normal(values.shape, dtype=np.float32)
    return as_stored(values + NOISE * noise)


def thicker(values: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Each slice the mean of itself and its neighbours, as if slices were three times as thick."""
    sums, counts = values.astype(np.float32), np.ones((len(values), 1, 1), np.float32)
    sums[1:] += values[:-1]
    sums[:-1] += values[1:]
    counts[1:] += 1
    counts[:-1] += 1
    return as_stored(sums / counts)


def turned(values: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """The head tilted to one shoulder by DEGREES; air comes in at the corners."""
    rows, columns = values.shape[1:]
    matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), DEGREES, 1.0)
    return np.stack(
        [cv2.warpAffine(one, matrix, (columns, rows), flags=cv2.INTER_LINEAR, borderValue=AIR) for one in values]
    )


def with_intercept(values: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Everything INTERCEPT HU denser, as by a scanner whose water is off."""
    return as_stored(values.astype(np.float32) + INTERCEPT)


def without_thirds(count: int) -> np.ndarray:
    """Every third slice is missing; never the first."""
    places = np.arange(count)
    return places[places % MISSING != MISSING - 1]


def backwards(count: int) -> np.ndarray:
    """The series from its other end."""
    return np.arange(count)[::-1]


SHIFTS = (
    Shift("unchanged", "nothing: computed again from the files"),
    Shift("noise", f"noise of {NOISE:g} HU on every pixel", with_noise),
    Shift("thicker", "slices three times as thick: means of a slice and its neighbours", thicker),
    Shift("tilted", f"the head tilted to one shoulder by {DEGREES:g} degrees", turned),
    Shift("intercept", f"everything {INTERCEPT} HU denser", with_intercept),
    Shift("dropped", "every third slice missing", kept=without_thirds),
    Shift("reversed", "the series from its other end", kept=backwards),
)


def as_stored(values: np.ndarray) -> np.ndarray:
    """Hounsfield units as int16, rounded."""
    limits = np.iinfo(np.int16)
    return np.rint(values.clip(limits.min, limits.max)).astype(np.int16)
