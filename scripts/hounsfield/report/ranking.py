"""How well probabilities rank rows, and what acting on them is worth: ROC, precision and recall, net benefit.

n rows whose label is known, T thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_POINTS = 200  # of a drawn curve
DECISION_THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True)
class Counts:
    """True and false positives from the highest distinct probability down to the lowest, (T,) each."""

    thresholds: np.ndarray  # a row is called positive from here on
    true: np.ndarray
    false: np.ndarray
    positives: int
    negatives: int


def counts_by_threshold(probabilities: np.ndarray, positive: np.ndarray) -> Counts:
    """probabilities: (n,); positive: (n,) bool."""
    order = np.argsort(-probabilities, kind="stable")
    ranked, hits = probabilities[order], np.cumsum(positive[order])
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))  # of each distinct probability
    true = hits[last] if len(hits) else hits
    return Counts(ranked[last], true, last + 1 - true, int(positive.sum()), int((~positive).sum()))


def roc(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates from (0, 0) to (1, 1), (T + 1,) each; NaN where one kind of row is missing."""
    with np.errstate(invalid="ignore"):
        return np.append(0, counts.false) / counts.negatives, np.append(0, counts.true) / counts.positives


def area_under_roc(counts: Counts) -> float:
    """By trapezoids, so that rows of one probability count half."""
    across, up = roc(counts)
    return float(np.trapezoid(up, across)) if counts.positives and counts.negatives else float("nan")


def precision_recall(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at each threshold, (T,) each."""
    with np.errstate(invalid="ignore"):
        return counts.true / counts.positives, counts.true / (counts.true + counts.false)


def average_precision(counts: Counts) -> float:
    """The sum over thresholds of precision times what recall grows by; no interpolation."""
    recall, precision = precision_recall(counts)
    return float(np.sum(np.diff(recall, prepend=0) * precision)) if counts.positives else float("nan")


def net_benefit(counts: Counts, thresholds: np.ndarray = DECISION_THRESHOLDS) -> np.ndarray:
    """True positives less false positives, each of these weighted by the odds of the threshold, per row: (K,).

    net benefit(p) = TP / n - FP / n * p / (1 - p), a row being called positive from probability p on.
    thresholds: (K,) in (0, 1).
    Source: decision curve analysis, Medical Decision Making 2006; 26: 565-574.
    """
    total = counts.positives + counts.negatives
    place = np.searchsorted(-counts.thresholds, -thresholds, side="right")  # thresholds at or above each
    true, false = np.append(0, counts.true)[place], np.append(0, counts.false)[place]
    return (true - false * thresholds / (1 - thresholds)) / total


def benefit_of_all(counts: Counts, thresholds: np.ndarray = DECISION_THRESHOLDS) -> np.ndarray:
    """The net benefit of calling every row positive, (K,)."""
    total = counts.positives + counts.negatives
    return (counts.positives - counts.negatives * thresholds / (1 - thresholds)) / total


def thinned(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most MOST_POINTS points of a curve, evenly along it; its ends and, of a short one, all of it stay."""
    if len(across) <= MOST_POINTS:
        return across, up
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(up)))])
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MOST_POINTS - 1)).clip(0, len(across) - 1))
    kept = np.unique([*kept.tolist(), len(across) - 1])
    return across[kept], up[kept]
