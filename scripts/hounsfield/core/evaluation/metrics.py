"""Scores over rows: log loss with weights, AUC, and intervals by bootstrap over patients.

N rows (slices or studies), C names, P patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

WILSON = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def log_loss(probabilities: np.ndarray, labels: np.ndarray, *, clip: float) -> np.ndarray:
    """Log loss of each row and name: (N, C) float64, NaN where the label is not known.

    labels: (N, C), 0 to 1 or NaN. Probabilities are clipped to [clip, 1 - clip].
    """
    p, y = np.clip(probabilities.astype(np.float64), clip, 1 - clip), labels.astype(np.float64)
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def clipped_logits(probabilities: np.ndarray, *, clip: float) -> np.ndarray:
    """The logit of each probability, which is clipped to [clip, 1 - clip]: float64, of the same shape."""
    clipped = np.clip(probabilities.astype(np.float64), clip, 1 - clip)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


@dataclass(frozen=True)
class WeightedLogLoss:
    """The loss of a LabelSet: the log loss of each row, averaged over names with weights that the labels choose."""

    negative: tuple[float, ...]  # (C,) what a name counts where its label is 0
    positive: tuple[float, ...]  # (C,) and where it is 1
    clip: float  # probabilities are clipped to [clip, 1 - clip]

    def weights(self, labels: np.ndarray) -> np.ndarray:
        """What each name of each row counts, (N, C) float64: nothing where its label is NaN. labels: (N, C)."""
        chosen = np.where(labels > 0.5, np.array(self.positive, np.float64), np.array(self.negative, np.float64))
        return np.where(np.isnan(labels), 0.0, chosen)

    def __call__(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Probabilities, labels (N, C) -> (N,) float64; NaN for a row without a known label. The mean is the score."""
        losses, weights = log_loss(probabilities, labels, clip=self.clip), self.weights(labels)
        found, known = np.full(len(losses), np.nan), weights.any(axis=1)
        if known.any():
            found[known] = np.average(np.nan_to_num(losses[known]), axis=1, weights=weights[known])
        return found


def mean_of_known(values: np.ndarray) -> float:
    """The mean of the values that are numbers; NaN where none is. values: (N,)."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def means_by_name(values: np.ndarray) -> np.ndarray:
    """The mean of each column's values that are numbers; NaN where none is: (N, C) -> (C,) float64."""
    counts = (~np.isnan(values)).sum(axis=0)
    sums = np.nan_to_num(values).sum(axis=0, dtype=np.float64)
    return np.divide(sums, counts, out=np.full(values.shape[1], np.nan), where=counts > 0)


def auc_by_class(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each name, (C,); NaN where the known ones are of one kind only.

    labels: (N, C), NaN where unknown; positive above 0.5.
    """
    areas = np.full(labels.shape[1], np.nan)
    for c in range(labels.shape[1]):
        positive, negative = probabilities[labels[:, c] > 0.5, c], np.sort(probabilities[labels[:, c] <= 0.5, c])
        pairs = len(positive) * len(negative)
        if pairs:  # twice the negatives below a positive, and once those level with it
            ranked = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
            areas[c] = ranked.sum() / (2 * pairs)
    return areas


def patient_bootstrap(values: np.ndarray, patients: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    """Means of row values over resampled patients.

    values: (N,) or (N, K); NaN where a row does not count in a column, as a negative in a mean over positives.
    patients: (N,) codes 0..P-1. Whole patients are drawn with replacement, so that slices of one head, which resemble
    each other, do not count as independent. The same seed draws the same patients: differences between systems are
    paired.
    Returns (draws,) or (draws, K); NaN where no row of a draw counts.
    """
    columns = values.reshape(len(values), -1)
    count = int(patients.max()) + 1
    rows = np.stack([np.bincount(patients, column, count) for column in ~np.isnan(columns.T)], axis=1)  # (P, K)
    sums = np.stack([np.bincount(patients, column, count) for column in np.nan_to_num(columns.T)], axis=1)
    means = np.full((draws, columns.shape[1]), np.nan)
    for draw, times in enumerate(patient_draws(count, draws, seed)):
        counted = times @ rows
        np.divide(times @ sums, counted, out=means[draw], where=counted > 0)
    return means if values.ndim == 2 else means[:, 0]


def auc_bootstrap(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, *, draws: int, seed: int
) -> np.ndarray:
    """Areas under the ROC curve over the patients that `patient_bootstrap` draws, (draws,); NaN for one label only.

    probabilities: (N,). labels: (N,) of 0 and 1. patients: (N,) codes 0..P-1.
    """
    order = np.argsort(probabilities)
    ascending, kinds, owners = probabilities[order], labels[order] > 0.5, patients[order]
    positive, negative = owners[kinds], owners[~kinds]  # the patient of each row
    below, level = (np.searchsorted(ascending[~kinds], ascending[kinds], side) for side in ("left", "right"))
    areas = np.full(draws, np.nan)
    for draw, times in enumerate(patient_draws(int(patients.max()) + 1, draws, seed)):
        weights, negatives = times[positive], np.append(0, np.cumsum(times[negative]))
        pairs = weights.sum() * negatives[-1]
        if pairs:  # a positive is above the negatives of lower probability, and level with half of those of its own
            areas[draw] = weights @ (negatives[below] + negatives[level]) / (2 * pairs)
    return areas


def patient_draws(count: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `count` patients is drawn, (P,), `draws` times."""
    generator = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.bincount(generator.integers(0, count, count), minlength=count)


def proportion_interval(right: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a share of rows, of which those of one patient resemble each other.

    right: (n,) bool, n > 0. patients: (n,) codes. Wilson's interval with the effective number of rows: n divided by
    the design effect, that is how much wider the share scatters over patients than over as many single rows. Where
    all rows are right, or none, the scatter says nothing, and each patient counts once.
    Source: Wilson 1927; Korn and Graubard 1998 (the effective number).
    """
    share, count, rows = float(right.mean()), len(right), np.bincount(patients)
    rows, hits = rows[rows > 0], np.bincount(patients, right)[rows > 0]
    effective = float(len(rows))
    if 0 < share < 1 and len(rows) > 1:
        scatter = len(rows) / (len(rows) - 1) * np.sum((hits - share * rows) ** 2) / count**2
        effective = min(count, share * (1 - share) / scatter) if scatter else float(count)
    spread = WILSON**2 / effective
    middle = (share + spread / 2) / (1 + spread)
    half = WILSON / (1 + spread) * np.sqrt(share * (1 - share) / effective + spread / (4 * effective))
    low, high = float(middle - half), float(middle + half)
    return low if share > 0 else 0.0, high if share < 1 else 1.0


def interval(draws: np.ndarray, share: float = 0.95) -> tuple[float, float]:
    """The central interval that holds `share` of the bootstrap draws that are numbers; NaN when none is."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
