"""Which slices a window shows. Windows are whole triplets of consecutive slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hounsfield.core.errors import WrongUse
from hounsfield.spine.config import WindowsConfig

TRIPLET = 3  # slices in one image
MOST_SKIPPED = 4  # the longest stride of a sparse window


def window_starts(count: int, slices: int, step: int) -> np.ndarray:
    """The first slices of the windows of a study of `count` slices, ascending, int64.

    Every multiple of `step` at which a window fits, and the last place where one does: every slice is covered. A study
    that is shorter than a window has one, which is padded behind its end. Published: the last two slices of a study
    were in no window, and shorter studies had none; multiples were of the files' numbers, which begin at 1.
    """
    last = max(0, count - slices)
    return np.unique(np.append(np.arange(0, last + 1, step), last))


def study_rows(starts: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of a data set of windows, (N, 2) int64: the study's place and the first slice. starts: of each study."""
    return np.concatenate([np.stack([np.full_like(own, place), own], axis=1) for place, own in enumerate(starts)])


def triplet_starts(count: int) -> np.ndarray:
    """The first slices of the triplets that cover a study: every third, and the last at which one fits, int64."""
    return window_starts(count, TRIPLET, TRIPLET)


def sparse_step(first_slice: int, last_slice: int, slices: int) -> int:
    """Slices between the starts of windows to train the sparse model on: more of them on studies whose neck is long.

    first_slice, last_slice: the range of the box. Published: round(2000 / range), which is infinite at a range of 0 and
    0 above 4000; here it is 1 to `slices`.
    """
    return int(np.clip(round(2000 / max(1, last_slice - first_slice)), 1, slices))


def sparse_window(start: int, count: int, slices: int, probability: float, seed: int) -> np.ndarray:
    """The slices of one training window that may skip some, (slices,) or fewer where the study ends, int64.

    With `probability`, and where the rest of the study is as long as two windows, every second to fourth slice is
    taken, from a random one on. seed: of this window in this epoch.
    """
    draws = np.random.default_rng(seed)
    most = min(MOST_SKIPPED, (count - start) // slices)
    if most > 1 and draws.random() < probability:
        stride = int(draws.integers(2, most + 1))
        return np.arange(start + draws.integers(stride), count, stride)[:slices]
    return np.arange(start, min(start + slices, count))


def check_windows(config: WindowsConfig) -> None:
    """Raise WrongUse where windows do not cover a study, or are not whole triplets."""
    if config.slices % TRIPLET:
        raise WrongUse(f"windows.slices {config.slices}: give a multiple of {TRIPLET}, the slices in one image")
    for name, step in (("train_step", config.train_step), ("predict_step", config.predict_step)):
        if step > config.slices:
            raise WrongUse(f"windows.{name} {step}: slices between windows of {config.slices} would be left out")
