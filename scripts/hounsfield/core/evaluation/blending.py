"""The weighted mean of several systems' predictions, and weights that are learnt and judged on different patients.

K systems, M held-out rows, C names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.metrics import WeightedLogLoss

ROUNDS = 2000
ENOUGH = 1e-6  # of log loss; how far from the lowest one the weights may be
PATIENT_GROUPS = 5


def fit_weights(label_set: LabelSet, predictions: Sequence[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """The weights, (K,) from 0 to 1 with the sum 1, whose mean prediction has the lowest loss.

    predictions: K arrays (M, C) of probabilities. labels: (M, C) of 0 and 1, NaN where unknown.
    What a weighted mean gives the true label is a mixture's likelihood, so the weights are those of a mixture and are
    found by expectation and maximisation: each round lowers the loss, and it has no other minimum.
    Raises WrongUse when the loss is no weighted log loss, of which alone this is true.
    """
    loss = label_set.loss
    if not isinstance(loss, WeightedLogLoss):
        raise WrongUse("weights of a blend can be fitted to a weighted log loss only; give them instead")
    given = np.stack(
        [np.where(labels > 0.5, p, 1 - p).clip(loss.clip, 1 - loss.clip).reshape(-1) for p in predictions],
    )  # (K, M * C): what each system gives to the label that is true
    counts = loss.weights(labels)  # (M, C)
    known: np.ndarray = counts.max(axis=1) > 0
    counts = np.divide(counts, counts.sum(axis=1, keepdims=True), out=counts, where=known[:, np.newaxis])
    importance = counts.reshape(-1) / known.sum()  # (M * C,), with the sum 1
    weights = np.full(len(given), 1 / len(given))
    for _ in range(ROUNDS):
        slope = given @ (importance / (weights @ given))  # how fast a system's greater weight would lower the loss
        if slope.max() - 1 < ENOUGH:  # a bound of what is left to gain, since the loss is convex
            break
        weights = weights * slope
    return weights / weights.sum()


def blended(predictions: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """The weighted mean: K arrays (N, C), weights (K,) with the sum 1 -> (N, C)."""
    total = np.zeros_like(predictions[0])
    for weight, prediction in zip(weights, predictions, strict=True):
        total += weight * prediction
    return total


def blend_by_others(
    label_set: LabelSet, predictions: Sequence[np.ndarray], labels: np.ndarray, patients: np.ndarray
) -> np.ndarray:
    """The blend of each held-out row by weights that were fitted on other patients: (M, C).

    patients: (M,) identifiers. Its score is honest where that of weights fitted on the same rows would not be. A
    single group of patients has no others: there the weights are equal.
    """
    codes, distinct = pd.factorize(patients, sort=True)
    groups = codes % min(PATIENT_GROUPS, len(distinct))
    result = np.empty_like(predictions[0])
    for group in np.unique(groups):
        own, others = groups == group, groups != group
        weights = np.full(len(predictions), 1 / len(predictions))
        if others.any():
            weights = fit_weights(label_set, [p[others] for p in predictions], labels[others])
        result[own] = blended([p[own] for p in predictions], weights)
    return result
