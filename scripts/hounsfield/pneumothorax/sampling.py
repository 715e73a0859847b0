"""Which films an epoch shows, and in which order: the sliding sample rate (SIIM-ACR 2019, 1st place, section 2).

N training films, P of them positive.
"""

from __future__ import annotations

import numpy as np


def negatives_wanted(positives: int, positive_share: float) -> int:
    """How many negatives make `positives` films the wanted share of an epoch: P (1 - p) / p, cut to a whole number."""
    return int(positives * (1 - positive_share) / positive_share + 1e-9)  # 2865 is not to become 2864.99


def sample_epoch(
    positive: np.ndarray, positive_share: float | None, *, negatives_repeat: bool, seed: tuple[int, ...]
) -> np.ndarray:
    """The row numbers of one epoch's films in their order, (M,) int64.

    positive: (N,) bool. positive_share: of the epoch's films, over 0; None: all films, each once. Every positive comes
    once; the negatives are drawn without replacement, as many as there are at most, or, where negatives_repeat, with it
    (published). seed: of this epoch, of this part and fold; equal ones give equal epochs.
    """
    draws = np.random.default_rng(seed)
    if positive_share is None:
        return draws.permutation(len(positive))
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    wanted = negatives_wanted(len(positives), positive_share)
    if not negatives_repeat:
        chosen = draws.permutation(negatives)[:wanted]
    elif len(negatives):
        chosen = negatives[draws.integers(len(negatives), size=wanted)]
    else:
        chosen = negatives
    return draws.permutation(np.concatenate([positives, chosen]))
