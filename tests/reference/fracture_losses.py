"""The losses of the fracture sequence and of the study, from the specification's sections 3 to 5.

    Loss (ratios): squared error, x2 where target != 0, mean over B x T x C
    Loss (fractures) = sum of three MSEs (segmentation, fracture, any), each x2 where its target != 0
    Loss per study: sum_j w_j BCE_j / sum_j w_j, averaged over studies; w = 14 (overall) / 2 (vertebra) if positive,
    7 / 1 if negative

"!= 0" is "above a threshold" here, which is what makes it robust to rounding.

By hand: predictions 0.5 and 0.5, targets 0 and 1: (0.25 + 2 * 0.25) / 2 = 0.375. Three heads of it: 1.125.

>>> squares([[[0.5], [0.5]]], [[[0.0], [1.0]]], 0.0005)
0.375
>>> heads = [[[0.5], [0.5]]]
>>> fracture([heads, heads, heads], [[[[0.0], [1.0]]]] * 3, 0.0005)
1.125

Every probability 0.5: each BCE is ln 2, and so is any weighted mean of them. One vertebra fractured, so overall too,
with p = 0.9 for these two and 0.1 for the rest: every BCE is -ln 0.9 = 0.105361. With p(overall) = 0.5 instead:
(14 * 0.693147 + 2 * 0.105361 + 6 * 0.105361) / (14 + 2 + 6) = 0.479407.

>>> y = [1, 1, 0, 0, 0, 0, 0, 0]
>>> round(study([0.5] * 8, y), 6)
0.693147
>>> round(study([0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], y), 6)
0.105361
>>> round(study([0.5, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], y), 6)
0.479407
"""

from __future__ import annotations

import math

Windows = list[list[list[float]]]  # B x T x C


def squares(predictions: Windows, targets: Windows, threshold: float) -> float:
    """The weighted mean of the squared errors."""
    total, count = 0.0, 0
    for b in range(len(targets)):
        for t in range(len(targets[b])):
            for c in range(len(targets[b][t])):
                weight = 2 if targets[b][t][c] > threshold else 1
                total += weight * (predictions[b][t][c] - targets[b][t][c]) ** 2
                count += 1
    return total / count


def fracture(predictions: list[Windows], targets: list[Windows], threshold: float) -> float:
    """The sum over the heads."""
    return sum(squares(p, t, threshold) for p, t in zip(predictions, targets, strict=True))


def study(p: list[float], y: list[int]) -> float:
    """p: probabilities of overall, then C1 to C7; y: labels."""
    positive, negative = [14] + [2] * 7, [7] + [1] * 7
    weights = [positive[j] if y[j] == 1 else negative[j] for j in range(8)]
    bce = [-math.log(p[j]) if y[j] == 1 else -math.log(1 - p[j]) for j in range(8)]
    return sum(w * one for w, one in zip(weights, bce, strict=True)) / sum(weights)
