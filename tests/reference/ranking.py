"""Area under the ROC curve, average precision and net benefit, written from their definitions, pair by pair.

Area: the share of pairs of a positive and a negative row in which the positive has the higher probability; equal ones
count half. Average precision: the sum over thresholds of (recall - recall before) * precision. Net benefit at p:
TP / n - FP / n * p / (1 - p), a row being called from probability p on.

By hand: probabilities .9 .8 .7 .6 of labels 1 0 1 0. Pairs: .9 beats both, .7 beats .6 only: 3 of 4, area 0.75.
Precision at the positives: 1/1 and 2/3, each half of the recall: 0.5 * 1 + 0.5 * 2/3 = 0.8333.
At p = 0.75: TP 1, FP 1, n 4: 1/4 - 1/4 * 3 = -0.5.

>>> probabilities, labels = [0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]
>>> area(probabilities, labels), round(average_precision(probabilities, labels), 4)
(0.75, 0.8333)
>>> net_benefit(probabilities, labels, 0.75)
-0.5
"""

from __future__ import annotations

from collections.abc import Sequence


def area(probabilities: Sequence[float], labels: Sequence[int]) -> float:
    """Pair by pair."""
    positive = [p for p, label in zip(probabilities, labels, strict=True) if label == 1]
    negative = [p for p, label in zip(probabilities, labels, strict=True) if label == 0]
    won = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in positive for b in negative)
    return won / (len(positive) * len(negative))


def average_precision(probabilities: Sequence[float], labels: Sequence[int]) -> float:
    """Threshold by threshold, from the highest down."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(probabilities), reverse=True):
        called = [label for p, label in zip(probabilities, labels, strict=True) if p >= threshold]
        recall = sum(called) / sum(labels)
        total += (recall - before) * sum(called) / len(called)
        before = recall
    return total


def net_benefit(probabilities: Sequence[float], labels: Sequence[int], p: float) -> float:
    """Row by row."""
    true = sum(1 for one, label in zip(probabilities, labels, strict=True) if one >= p and label == 1)
    false = sum(1 for one, label in zip(probabilities, labels, strict=True) if one >= p and label == 0)
    return true / len(labels) - false / len(labels) * p / (1 - p)
