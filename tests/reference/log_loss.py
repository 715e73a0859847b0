"""The competition's log loss, one slice and one class after another."""

from __future__ import annotations

import math
from collections.abc import Sequence


def competition_log_loss(
    probabilities: Sequence[Sequence[float]],
    labels: Sequence[Sequence[int]],
    class_weights: Sequence[float],
    clip: float,
) -> float:
    """Mean over slices of the mean over classes, in which a class counts `class_weights` times."""
    total = 0.0
    for slice_probabilities, slice_labels in zip(probabilities, labels, strict=True):
        weighted = 0.0
        for p, label, weight in zip(slice_probabilities, slice_labels, class_weights, strict=True):
            bounded = min(max(p, clip), 1 - clip)
            weighted += weight * -(math.log(bounded) if label == 1 else math.log(1 - bounded))
        total += weighted / sum(class_weights)
    return total / len(probabilities)


def area_under_roc(scores: Sequence[float], labels: Sequence[int]) -> float:
    """Share of pairs of a positive and a negative in which the positive scores higher; ties count half."""
    wins, pairs = 0.0, 0
    for positive, label in zip(scores, labels, strict=True):
        if label != 1:
            continue
        for negative, other in zip(scores, labels, strict=True):
            if other == 0:
                pairs += 1
                wins += 1.0 if positive > negative else 0.5 if positive == negative else 0.0
    return wins / pairs
