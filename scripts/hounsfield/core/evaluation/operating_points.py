"""Thresholds for a wanted sensitivity, a wanted specificity, and the best of both; and what each is worth.

n rows of one name; a row is positive when its label is 0.5 or more, and called positive from the threshold on.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import OperatingPoint, Worth
from hounsfield.core.evaluation.calibrator_fits import held_out_groups
from hounsfield.core.evaluation.metrics import interval, patient_draws, proportion_interval
from hounsfield.core.evaluation.scores import SEED

WANTED = 0.95
POINTS = ("sensitivity_95", "specificity_95", "youden")
DRAWS = 500  # of patients, for the interval of a threshold
VALUES_TOGETHER = 2**22  # of a bootstrap, in memory
NOBODY = float(np.nextafter(1, 2))  # above every probability


class Candidates:
    """The thresholds that tell the rows of one name apart, (L + 1,): the lowest value, those midway, one above all."""

    def __init__(self, values: np.ndarray, positive: np.ndarray) -> None:
        """values: (n,), n > 0. positive: (n,) bool."""
        self._order = np.argsort(values, kind="stable")
        levels, starts = np.unique(values[self._order], return_index=True)
        above = (levels[-1] + 1) / 2 if levels[-1] < 1 else NOBODY
        self.thresholds = np.concatenate([levels[:1], (levels[1:] + levels[:-1]) / 2, [above]])
        self._below = np.append(starts, len(values))  # (L + 1,) how many rows are below each threshold
        self._positive = positive[self._order]

    def best(self, counts: np.ndarray) -> np.ndarray:
        """The thresholds of POINTS, (D, 3); NaN where one kind of row lacks.

        The highest with the wanted sensitivity, the lowest with the wanted specificity, and the lowest of those with
        the highest sum of both (Youden 1950). counts: (D, n) whole numbers, how often each row counts in each of D
        samples.
        """
        missed, positives = self._below_thresholds(counts[:, self._order] * self._positive)
        spared, negatives = self._below_thresholds(counts[:, self._order] * ~self._positive)
        sensitive = (positives - missed >= WANTED * positives).sum(axis=1) - 1  # true up to that threshold
        specific = (spared >= WANTED * negatives).argmax(axis=1)
        youden = (spared * positives - missed * negatives).argmax(axis=1)  # whole numbers, so that equals are equal
        found = self.thresholds[np.stack([sensitive, specific, youden], axis=1)]
        return np.where((positives > 0) & (negatives > 0), found, np.nan)

    def _below_thresholds(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much of `counts`, (D, n) in order of the values, is below each threshold, (D, L + 1), and all, (D, 1)."""
        sums = np.zeros((len(counts), counts.shape[1] + 1), np.int64)
        np.cumsum(counts, axis=1, out=sums[:, 1:])
        return sums[:, self._below], sums[:, -1:]


def best_thresholds(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The thresholds of POINTS, (3,), as `Candidates.best` says. values: (n,); positive: (n,) bool."""
    if not len(values):
        return np.full(len(POINTS), np.nan)
    return np.asarray(Candidates(values, positive).best(np.ones((1, len(values)), np.int64))[0])


def _bootstrapped(candidates: Candidates, codes: np.ndarray) -> np.ndarray:
    """The thresholds of DRAWS samples of patients, (DRAWS, 3). codes: (n,) numbers of patients."""
    together = max(1, VALUES_TOGETHER // len(codes))
    draws = patient_draws(int(codes.max()) + 1, DRAWS, SEED)
    found = []
    while part := list(islice(draws, together)):
        found.append(candidates.best(np.stack(part)[:, codes]))
    return np.concatenate(found)


def operating_points(
    values: np.ndarray, labels: np.ndarray, patients: np.ndarray, groups: np.ndarray
) -> tuple[OperatingPoint, ...]:
    """The three points of POINTS; none where positives or negatives lack.

    values, labels: (n,). patients: (n,) identifiers; groups: (n,), of whole patients. What a point is worth is counted
    on each group by the threshold of the other groups. The interval of a threshold is that of DRAWS bootstrap samples
    of patients; those of sensitivity and specificity are Wilson's, with as many rows as the patients are worth.
    """
    positive, codes = labels >= 0.5, pd.factorize(patients)[0]
    thresholds = best_thresholds(values, positive)
    if np.isnan(thresholds).any():
        return ()
    called = np.full((len(values), len(POINTS)), np.nan)
    for scored, fitted in held_out_groups(groups):
        nested = best_thresholds(values[fitted], positive[fitted])
        called[scored] = np.where(np.isnan(nested), np.nan, values[scored, np.newaxis] >= nested)
    draws = _bootstrapped(Candidates(values, positive), codes)
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
