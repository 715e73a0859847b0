"""Thresholds for a wanted sensitivity, a wanted specificity, and the best of both; and what each is worth.

n rows of one name; a row is positive when its label is 0.5 or more, and called positive from the threshold on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import OperatingPoint, Worth
from hounsfield.core.evaluation.calibrator_fits import held_out_groups
from hounsfield.core.evaluation.metrics import interval, patient_draws, proportion_interval
from hounsfield.core.evaluation.score_table import SEED

WANTED = 0.95
POINTS = ("sensitivity_95", "specificity_95", "youden")
DRAWS = 500  # of patients, for the interval of a threshold
NUMBERS_AT_ONCE = 2**18  # rows times samples: few rows are quicker in many samples at once, and many take memory
NOBODY = float(np.nextafter(1, 2))  # above every probability


class Candidates:
    """The thresholds that tell the rows of one name apart, (L + 1,): the lowest value, those midway, one above all.

    Rows are sorted once; a sample of the P patients is then two cumulative sums over them. Nothing is rounded.
    """

    def __init__(self, values: np.ndarray, positive: np.ndarray, codes: np.ndarray) -> None:
        """values: (n,), n > 0. positive: (n,) bool. codes: (n,) numbers of patients, 0..P-1."""
        order = np.argsort(values)
        ascending, positive, codes = values[order], positive[order], codes[order]
        starts = np.append(True, ascending[1:] > ascending[:-1])
        levels, place = ascending[starts], np.cumsum(starts) - 1
        above = (levels[-1] + 1) / 2 if levels[-1] < 1 else NOBODY
        self.thresholds = np.concatenate([levels[:1], (levels[1:] + levels[:-1]) / 2, [above]])
        self._positives, self._negatives = codes[positive], codes[~positive]  # ascending, as the next two
        self._of_positives, self._of_negatives = place[positive], place[~positive]  # what is below is of a lower place
        self._steps = np.unique(self._of_positives, return_index=True)[1]  # the first positive of each place
        self._below_steps = np.searchsorted(self._of_negatives, self._of_positives[self._steps])  # negatives

    def best(self, times: np.ndarray) -> np.ndarray:
        """The thresholds of POINTS in each of D samples, (D, 3); NaN where one kind of row lacks.

        The highest with the wanted sensitivity, the lowest with the wanted specificity, and the lowest of those with
        the highest sum of both (Youden 1950). times: (D, P) whole numbers, how often the rows of each patient count.
        """
        missed, spared = (np.cumsum(times.take(codes, axis=1), axis=1) for codes in (self._positives, self._negatives))
        found = np.full((len(times), len(POINTS)), np.nan)
        if not (missed.size and spared.size):
            return found
        both = (missed[:, -1] > 0) & (spared[:, -1] > 0)
        missed, spared = missed[both], spared[both]
        bearable = missed[:, -1:] - np.ceil(WANTED * missed[:, -1:])
        sensitive = self._of_positives[(missed <= bearable).sum(axis=1)]  # the first that is not missed
        specific = self._above(spared, np.ceil(WANTED * spared[:, -1]))
        found[both] = self.thresholds[np.stack([sensitive, specific, self._youden(missed, spared)], axis=1)]
        return found

    def _youden(self, missed: np.ndarray, spared: np.ndarray) -> np.ndarray:
        """The sum of both only falls where a threshold passes positives: one of those just below them is the best."""
        draws = np.arange(len(missed))
        missed_below = _with_zero(missed).take(self._steps, axis=1)
        spared_below = _with_zero(spared).take(self._below_steps, axis=1)
        gain = spared_below * missed[:, -1:] - missed_below * spared[:, -1:]  # whole, so that equals are equal
        best = gain.argmax(axis=1)
        return np.where(gain[draws, best] > 0, self._above(spared, spared_below[draws, best]), 0)

    def _above(self, spared: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The lowest threshold that spares as many negatives as wanted: (D, negatives), (D,) -> (D,)."""
        return self._of_negatives[(spared < wanted[:, np.newaxis]).sum(axis=1)] + 1


def _with_zero(sums: np.ndarray) -> np.ndarray:
    """Running sums, and what stands before the first: (D, n) -> (D, n + 1)."""
    return np.concatenate([np.zeros((len(sums), 1), sums.dtype), sums], axis=1)


def best_thresholds(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The thresholds of POINTS, (3,), as `Candidates.best` says. values: (n,); positive: (n,) bool."""
    if not len(values):
        return np.full(len(POINTS), np.nan)
    return Candidates(values, positive, np.zeros(len(values), np.intp)).best(np.ones((1, 1), np.int64))[0]


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
    candidates, samples = Candidates(values, positive, codes), patient_draws(int(codes.max()) + 1, DRAWS, SEED)
    at_once = max(1, NUMBERS_AT_ONCE // len(values))
    draws = np.concatenate([candidates.best(np.stack(some)) for some in batched(samples, at_once)])
    found = []
    for i, name in enumerate(POINTS):
        low, high = (None if np.isnan(bound) else bound for bound in interval(draws[:, i]))
        worth = _worth(called[:, i], positive, codes), _worth(1 - called[:, i], ~positive, codes)
        found.append(OperatingPoint(name, float(thresholds[i]), low, high, *worth))
    return tuple(found)


def batched(samples: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """`size` of them after another."""
    rest = iter(samples)
    while some := list(islice(rest, size)):
        yield some


def _worth(right: np.ndarray, counted: np.ndarray, codes: np.ndarray) -> Worth:
    """right: (n,) of 0, 1 and NaN. counted: (n,) bool, the rows that a share is of."""
    rows = counted & ~np.isnan(right)
    if not rows.any():
        return Worth(None, None, None, 0, 0)
    low, high = proportion_interval(right[rows] == 1, codes[rows])
    return Worth(float(right[rows].mean()), low, high, int(right[rows].sum()), int(rows.sum()))
