"""Thresholds for sensitivity 95 %, specificity 95 % and the best Youden index, by trying each; and their intervals.

A row is called positive when its probability is the threshold or more. Thresholds lie midway between probabilities
that differ; one calls every row positive (the lowest probability), one none (midway between the highest and 1).

    sensitivity = called positives / positives        specificity = uncalled negatives / negatives
    sensitivity 95 %: the highest threshold with sensitivity >= 0.95
    specificity 95 %: the lowest threshold with specificity >= 0.95
    Youden: the lowest of the thresholds with the highest sensitivity + specificity

By hand: negatives at 0.1 0.2 0.6, positives at 0.4 0.8. Sensitivity is 1 up to 0.3 (between 0.2 and 0.4); specificity
is 1 from 0.7 on. Youden: 1 + 2/3 at 0.3, 1/2 + 2/3 at 0.5, 1/2 + 1 at 0.7.

>>> [round(one, 9) for one in thresholds([0.1, 0.2, 0.6, 0.4, 0.8], [0, 0, 0, 1, 1])]
[0.3, 0.7, 0.3]

Of a sample of those rows, here the negative at 0.1 twice and the positive at 0.8, the thresholds to choose from are the
same ones: 0.7 is the highest that calls the positive, and 0.15 the lowest that spares the negative.

>>> [round(one, 9) for one in thresholds([0.1, 0.1, 0.8], [0, 0, 1], sampled_from=[0.1, 0.2, 0.6, 0.4, 0.8])]
[0.7, 0.15, 0.15]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def thresholds(
    probabilities: Sequence[float], labels: Sequence[int], sampled_from: Sequence[float] = ()
) -> list[float]:
    """The three thresholds of one name. sampled_from: the probabilities of all rows, where these are a sample."""
    found = sorted({*probabilities, *sampled_from})
    tried = [found[0]] + [(low + high) / 2 for low, high in pairwise(found)] + [(found[-1] + 1) / 2]
    rates = []
    for threshold in tried:
        called = [p >= threshold for p in probabilities]
        hits = sum(1 for c, y in zip(called, labels, strict=True) if c and y)
        spared = sum(1 for c, y in zip(called, labels, strict=True) if not c and not y)
        rates.append((hits / sum(labels), spared / (len(labels) - sum(labels))))
    sensitive = max(t for t, (sensitivity, _) in zip(tried, rates, strict=True) if sensitivity >= 0.95)
    specific = min(t for t, (_, specificity) in zip(tried, rates, strict=True) if specificity >= 0.95)
    best = max(round(sum(rate), 12) for rate in rates)
    youden = min(t for t, rate in zip(tried, rates, strict=True) if round(sum(rate), 12) == best)
    return [sensitive, specific, youden]


def wilson(share: float, count: float) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927).

    (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), z = 1.96. By hand, 8 of 10: z^2 = 3.8415;
    the middle is (0.8 + 0.19207) / 1.38415 = 0.71674, the half width 1.95996 * sqrt(0.016 + 0.0096036) / 1.38415
    = 0.22658.

    >>> [round(one, 4) for one in wilson(0.8, 10)]
    [0.4902, 0.9433]
    """
    z = 1.959963984540054
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def effective_count(hits: Sequence[int], rows: Sequence[int]) -> float:
    """How many single rows the patients' rows are worth: the variance of a share of single rows over that of patients.

    p (1 - p) / [P / (P - 1) * sum over patients of (hits_i - p rows_i)^2 / n^2], at most n (Korn and Graubard 1998).
    By hand, two patients of five rows with 5 and 3 hits: p = 0.8, the variance is 2 * (1 + 1) / 100 = 0.04, and
    0.16 / 0.04 = 4.

    >>> round(effective_count([5, 3], [5, 5]), 9)
    4.0
    """
    share = sum(hits) / sum(rows)
    total = 0.0
    for hit, count in zip(hits, rows, strict=True):
        total += (hit - share * count) ** 2
    variance = len(rows) / (len(rows) - 1) * total / sum(rows) ** 2
    return min(share * (1 - share) / variance, sum(rows)) if variance else sum(rows)
