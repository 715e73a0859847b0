"""The rolling mean of a classifier's predictions over three neighbouring slices.

    mean of each slice and its two neighbours in the series, with weights 0.6, 1.8, 0.6 over 3

At a series' ends, over the sum of the weights of the slices that exist. (The specification, section 5, names the
authors' "rolling mean" and gives no weights; these are the ones that the score table states.)

By hand, a series of 0, 1, 0.5:

    first   (1.8 * 0 + 0.6 * 1) / 2.4            = 0.6 / 2.4 = 0.25
    middle  (0.6 * 0 + 1.8 * 1 + 0.6 * 0.5) / 3  = 2.1 / 3   = 0.7
    last    (0.6 * 1 + 1.8 * 0.5) / 2.4          = 1.5 / 2.4 = 0.625

>>> [round(value, 9) for value in rolling_mean_of_series([0, 1, 0.5])]
[0.25, 0.7, 0.625]
>>> [round(value, 9) for value in rolling_mean_of_series([0.3])]
[0.3]
"""

from __future__ import annotations

from collections.abc import Sequence


def rolling_mean_of_series(values: Sequence[float]) -> list[float]:
    """values: one class, in order along one series. Returns as many."""
    smooth = []
    for i in range(len(values)):
        weighted = 1.8 * values[i]
        weights = 1.8
        if i > 0:
            weighted += 0.6 * values[i - 1]
            weights += 0.6
        if i + 1 < len(values):
            weighted += 0.6 * values[i + 1]
            weights += 0.6
        smooth.append(weighted / weights)
    return smooth
