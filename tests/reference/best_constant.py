"""The weighted log loss of a constant prediction, and the constant that minimises it, found by search."""

from __future__ import annotations

import math

import numpy as np


def study_loss(probabilities: list[float], labels: list[int]) -> float:
    """Section 5: "Loss per study: sum_j w_j BCE_j / sum_j w_j ...; w = 14 (overall) / 2 (vertebra) if positive, 7 / 1
    if negative". By hand:
    (14 * -ln 0.8 + 2 * -ln 0.6 + 6 * 1 * -ln 0.9) / (14 + 2 + 6) = (3.1240 + 1.0217 + 0.6322) / 22.

    >>> round(study_loss([0.8, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [1, 1, 0, 0, 0, 0, 0, 0]), 4)
    0.2172
    """
    total = weight = 0.0
    for j, (p, y) in enumerate(zip(probabilities, labels, strict=True)):
        w = (14 if y else 7) if j == 0 else (2 if y else 1)
        total -= w * math.log(p if y else 1 - p)
        weight += w
    return total / weight


def rows_loss(probabilities: list[float], labels: list[int]) -> float:
    """Section 6: "Author's and community scorers use the row-normalised form above ... as a mean over rows, as Kaggle's
    text says": the same weighted losses of one study, over the number of its rows. By hand, as above but over 8 rows:
    (3.1240 + 1.0217 + 0.6322) / 8.

    >>> round(rows_loss([0.8, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [1, 1, 0, 0, 0, 0, 0, 0]), 4)
    0.5972
    """
    total = 0.0
    for j, (p, y) in enumerate(zip(probabilities, labels, strict=True)):
        w = (14 if y else 7) if j == 0 else (2 if y else 1)
        total -= w * math.log(p if y else 1 - p)
    return total / len(labels)


def best_constant_by_search(labels: np.ndarray) -> list[float]:
    """For each name the p of a fine grid that has the least loss, the others' being what they may: names add up."""
    grid = np.linspace(0.001, 0.999, 999)
    found = []
    for j in range(labels.shape[1]):
        costs = np.zeros(len(grid))
        for row in labels:
            weights = [(14 if y else 7) if i == 0 else (2 if y else 1) for i, y in enumerate(row)]
            share = weights[j] / sum(weights)
            costs -= share * np.log(grid if row[j] else 1 - grid)
        found.append(float(grid[costs.argmin()]))
    return found
