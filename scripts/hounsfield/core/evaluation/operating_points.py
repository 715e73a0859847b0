"""Thresholds for a wanted sensitivity, a wanted specificity, and the best of both; and what each is worth.

n rows of one name; a row is positive when its label is 0.5 or more, and called positive from the threshold on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import OperatingPoint, Worth
from hounsfield.core.evaluation.calibrator_fits import held_out_groups
from hounsfield.core.evaluation.metrics import interval, patient_draws, proportion_interval
from hounsfield.core.evaluation.scores import SEED

WANTED = 0.95
POINTS = ("sensitivity_95", "specificity_95", "youden")
DRAWS = 500  # of patients, for the interval of a threshold
NOBODY = float(np.nextafter(1, 2))  # above every probability


class Candidates:
    """The thresholds that tell the rows of one name apart, (L + 1,): the lowest value, those midway, one above all."""

    def __init__(self, values: np.ndarray) -> None:
        levels, self._place = np.unique(values, return_inverse=True)
        above = (levels[-1] + 1) / 2 if levels[-1] < 1 else NOBODY
        self.thresholds = np.concatenate([levels[:1], (levels[1:] + levels[:-1]) / 2, [above]])

    def best(self, positive: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """The thresholds of POINTS, (3,); NaN where one kind of row lacks.

        The highest with the wanted sensitivity, the lowest with the wanted specificity, and the lowest of those with
        the highest sum of both (Youden 1950). positive: (n,) bool. counts: (n,) whole numbers, how often a row counts.
        """
        below = [np.bincount(self._place, counts * kind, len(self.thresholds)) for kind in (positive, ~positive)]
        missed, spared = (np.rint(np.cumsum(one) - one).astype(np.int64) for one in below)  # (L + 1,) by threshold
        positives, negatives = (int(counts[kind].sum()) for kind in (positive, ~positive))
        if not positives or not negatives:
            return np.full(len(POINTS), np.nan)
        sensitive = np.flatnonzero(positives - missed >= WANTED * positives)[-1]
        specific = np.flatnonzero(spared >= WANTED * negatives)[0]
        youden = np.argmax(spared * positives - missed * negatives)  # whole numbers, so that equals are equal
        return np.asarray(self.thresholds[[sensitive, specific, youden]])


def best_thresholds(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The thresholds of POINTS, (3,), as `Candidates.best` says. values: (n,); positive: (n,) bool."""
    if not len(values):
        return np.full(len(POINTS), np.nan)
    return Candidates(values).best(positive, np.ones(len(values), np.int64))


def operating_points(
    values: np.ndarray, labels: np.ndarray, patients: np.ndarray, groups: np.ndarray
) -> tuple[OperatingPoint, ...]:
    """The three points of POINTS; none where positives or negatives lack.

    values, labels: (n,). patients: (n,) identifiers; groups: (n,), of whole patients. What a point is worth is counted
    on each group by the threshold of the other groups. The interval of a threshold is that of DRAWS bootstrap samples
    of patients; those of sensitivity and specificity are Wilson's, with as many rows as the patients are worth.
    """
    positive, (codes, distinct) = labels >= 0.5, pd.factorize(patients)
    candidates, ones = Candidates(values), np.ones(len(values), np.int64)
    thresholds = candidates.best(positive, ones)
    if np.isnan(thresholds).any():
        return ()
    called = np.full((len(values), len(POINTS)), np.nan)
    for scored, fitted in held_out_groups(groups):
        nested = best_thresholds(values[fitted], positive[fitted])
        called[scored] = np.where(np.isnan(nested), np.nan, values[scored, np.newaxis] >= nested)
    draws = np.array([candidates.best(positive, times[codes]) for times in patient_draws(len(distinct), DRAWS, SEED)])
    found = []
    for i, name in enumerate(POINTS):
        low, high = (None if np.isnan(bound) else bound for bound in interval(draws[:, i]))
        worth = _worth(called[:, i], positive, codes), _worth(1 - called[:, i], ~positive, codes)
        found.append(OperatingPoint(name, float(thresholds[i]), low, high, *worth))
    return tuple(found)


def _worth(right: np.ndarray, counted: np.ndarray, codes: np.ndarray) -> Worth:
    """right: (n,) of 0, 1 and NaN. counted: (n,) bool, the rows that a share is of."""
    rows = counted & ~np.isnan(right)
    if not rows.any():
        return Worth(None, None, None, 0, 0)
    low, high = proportion_interval(right[rows] == 1, codes[rows])
    return Worth(float(right[rows].mean()), low, high, int(right[rows].sum()), int(rows.sum()))
