"""Scores over slices: log loss with class weights, AUC, and intervals by bootstrap over patients.

N slices, C classes, P patients.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score


def log_loss(probabilities: np.ndarray, labels: np.ndarray, *, clip: float) -> np.ndarray:
    """Log loss of each slice and class: (N, C) float64. Probabilities are clipped to [clip, 1 - clip]."""
    p = np.clip(probabilities.astype(np.float64), clip, 1 - clip)
    return -np.where(labels > 0.5, np.log(p), np.log1p(-p))


def weighted_log_loss(
    probabilities: np.ndarray, labels: np.ndarray, class_weights: np.ndarray, *, clip: float
) -> np.ndarray:
    """Log loss of each slice, averaged over classes with `class_weights`: (N,) float64. Its mean is the score."""
    return np.average(log_loss(probabilities, labels, clip=clip), axis=1, weights=class_weights)


def auc_by_class(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each class, (C,); NaN where the slices hold one label only."""
    areas = np.full(labels.shape[1], np.nan)
    for c in range(labels.shape[1]):
        if 0 < labels[:, c].sum() < len(labels):
            areas[c] = roc_auc_score(labels[:, c], probabilities[:, c])
    return areas


def patient_bootstrap(values: np.ndarray, patients: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Means of slice values over resampled patients.

    values: (N,) or (N, K), one row a slice. patients: (N,) codes 0..P-1. Whole patients are drawn with replacement, so
    that slices of one head, which resemble each other, do not count as independent. The same seed draws the same
    patients: differences between systems are paired. Returns (draws,) or (draws, K).
    """
    count = int(patients.max()) + 1
    two_dimensional = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(patients, column, count) for column in two_dimensional.T], axis=1)  # (P, K)
    slices = np.bincount(patients, minlength=count)
    generator = np.random.default_rng(seed)
    means = np.empty((draws, two_dimensional.shape[1]))
    for draw in range(draws):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        means[draw] = times @ sums / (times @ slices)
    return means if values.ndim == 2 else means[:, 0]


def interval(draws: np.ndarray, share: float = 0.95) -> tuple[float, float]:
    """The central interval that holds `share` of the bootstrap draws."""
    low, high = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
