"""Scores over rows: log loss with weights, AUC, and intervals by bootstrap over patients.

N rows (slices or studies), C names, P patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score


def log_loss(probabilities: np.ndarray, labels: np.ndarray, *, clip: float) -> np.ndarray:
    """Log loss of each row and name: (N, C) float64. Probabilities are clipped to [clip, 1 - clip]."""
    p = np.clip(probabilities.astype(np.float64), clip, 1 - clip)
    return -np.where(labels > 0.5, np.log(p), np.log1p(-p))


@dataclass(frozen=True)
class WeightedLogLoss:
    """The loss of a LabelSet: the log loss of each row, averaged over names with weights that the labels choose."""

    negative: tuple[float, ...]  # (C,) what a name counts where its label is 0
    positive: tuple[float, ...]  # (C,) and where it is 1
    clip: float  # probabilities are clipped to [clip, 1 - clip]

    def weights(self, labels: np.ndarray) -> np.ndarray:
        """What each name of each row counts, (N, C) float64. labels: (N, C) of 0 and 1."""
        return np.where(labels > 0.5, np.array(self.positive, np.float64), np.array(self.negative, np.float64))

    def __call__(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Probabilities, labels (N, C) -> (N,) float64. Its mean is the score."""
        return np.average(log_loss(probabilities, labels, clip=self.clip), axis=1, weights=self.weights(labels))


def auc_by_class(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each name, (C,); NaN where the rows hold one label only."""
    areas = np.full(labels.shape[1], np.nan)
    for c in range(labels.shape[1]):
        if 0 < labels[:, c].sum() < len(labels):
            areas[c] = roc_auc_score(labels[:, c], probabilities[:, c])
    return areas


def patient_bootstrap(values: np.ndarray, patients: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Means of row values over resampled patients.

    values: (N,) or (N, K). patients: (N,) codes 0..P-1. Whole patients are drawn with replacement, so that slices of
    one head, which resemble each other, do not count as independent. The same seed draws the same
    patients: differences between systems are paired. Returns (draws,) or (draws, K).
    """
    count = int(patients.max()) + 1
    two_dimensional = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(patients, column, count) for column in two_dimensional.T], axis=1)  # (P, K)
    rows = np.bincount(patients, minlength=count)
    generator = np.random.default_rng(seed)
    means = np.empty((draws, two_dimensional.shape[1]))
    for draw in range(draws):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        means[draw] = times @ sums / (times @ rows)
    return means if values.ndim == 2 else means[:, 0]


def interval(draws: np.ndarray, share: float = 0.95) -> tuple[float, float]:
    """The central interval that holds `share` of the bootstrap draws."""
    low, high = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
