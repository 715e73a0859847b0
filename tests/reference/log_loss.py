"""The competition's metric, from the specification's section 0, and the area under the ROC curve.

    log loss averaged over slices with `any` weighted twice (weights 1,1,1,1,1,2 over 7);
    probabilities clipped to [1e-5, 1-1e-5]

For one probability p of a class whose label is y, the log loss is -(y ln p + (1 - y) ln(1 - p)).

By hand, two slices. The first gives 1/2 to all six classes: every loss is ln 2, and so is the weighted mean.
The second gives 1/2 to five classes (ln 2 each) and 1/4 to `any`, which is there (-ln 1/4 = 2 ln 2, twice):
(5 + 4) / 7 ln 2. The mean over both is (1 + 9/7) / 2 ln 2 = 8/7 ln 2 = 0.792168.

>>> half = [0.5] * 5
>>> truth = [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]
>>> round(competition_log_loss([[*half, 0.5], [*half, 0.25]], truth, [1, 1, 1, 1, 1, 2], 1e-5), 6)
0.792168

A certain mistake costs -ln 1e-5 = 11.512925 for a class, and 2/7 of it where it is `any` and the rest is certain:

>>> round(competition_log_loss([[0, 0, 0, 0, 0, 1]], [[0, 0, 0, 0, 0, 0]], [1, 1, 1, 1, 1, 2], 1e-5), 4)
3.2894

Area under the ROC curve: the share of the pairs (one with the finding, one without) that are in the right
order, where equal scores count a half. By hand: scores 0.1 and 0.4 without, 0.4 and 0.8 with; of four pairs
three are right and one is equal, 3.5 / 4.

>>> area_under_roc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
0.875
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def competition_log_loss(
    probabilities: Sequence[Sequence[float]],
    labels: Sequence[Sequence[int]],
    weights: Sequence[float],
    clip: float,
) -> float:
    """Both arrays: one row per slice, one column per class. weights: one per class."""
    of_slices = []
    for row, truth in zip(probabilities, labels, strict=True):
        weighted = 0.0
        for probability, label, weight in zip(row, truth, weights, strict=True):
            p = min(max(float(probability), clip), 1 - clip)
            weighted += weight * -(label * math.log(p) + (1 - label) * math.log(1 - p))
        of_slices.append(weighted / sum(weights))
    return sum(of_slices) / len(of_slices)


def area_under_roc(scores: Sequence[float], labels: Sequence[int]) -> float:
    """scores, labels: one per slice; both labels must occur."""
    right, pairs = 0.0, 0
    for with_finding, label in zip(scores, labels, strict=True):
        for without, other in zip(scores, labels, strict=True):
            if label == 1 and other == 0:
                pairs += 1
                right += 1 if with_finding > without else 0.5 if with_finding == without else 0
    return right / pairs
