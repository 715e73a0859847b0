"""What SIIM-ACR 2019 asks for: the pixels of the pneumothorax, scored by Dice, film by film."""

from __future__ import annotations

import numpy as np

from hounsfield.core.evaluation.labels import LabelSet


def dice_from_counts(both: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Dice from numbers of pixels: 2 |P and T| / (|P| + |T|), and 1 where both masks are empty.

    both, predicted, true: pixels in both masks and in each, of any shapes that broadcast. Returns float64.
    """
    total = np.asarray(predicted, np.float64) + true
    return np.where(total == 0, 1.0, 2.0 * np.asarray(both) / np.maximum(total, 1))


def dice_loss(values: np.ndarray, _labels: np.ndarray) -> np.ndarray:
    """1 - Dice of each film, (N,). values: (N, 1), the Dice of each; the competition averages over films."""
    return 1.0 - values[:, 0]


LABELS = LabelSet((), "film_id", dice_loss)
