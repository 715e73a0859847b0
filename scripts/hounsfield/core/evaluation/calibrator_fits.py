"""Fitting calibrators, and choosing one by patients that it was not fitted on.

n rows of one name; labels from 0 to 1, all of them known. Groups hold whole patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hounsfield.core.evaluation.calibration import Reliability
from hounsfield.core.evaluation.calibrators import Calibrator, Method
from hounsfield.core.evaluation.metrics import clipped_logits
from hounsfield.core.evaluation.score_table import CLIP

# bounds of 1 / temperature: labels that are told apart without an error have no best one
SHARPEST, FLATTEST = 10.0, 0.1
ROUNDS = 100
ENOUGH = 1e-9  # of 1 / temperature


def fit_calibrator(method: Method, probabilities: np.ndarray, labels: np.ndarray) -> Calibrator:
    """Fit one method; of rows of one kind none can be, and the probabilities stay as they are."""
    if method == "none" or len(np.unique(labels >= 0.5)) < 2:  # positives and negatives
        return Calibrator()
    if method == "temperature":
        return Calibrator(method, temperature=_best_temperature(probabilities, labels))
    raw, calibrated = _best_steps(probabilities, labels)
    return Calibrator(method, raw=tuple(raw.tolist()), calibrated=tuple(calibrated.tolist()))


def _best_steps(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map with the lowest squared error of all that never fall: the ends of its steps.

    It is never surer than n rows of one kind allow, 1 / (n + 2) from 0 and 1 (Laplace's rule of succession).
    Source: Zadrozny and Elkan 2002.
    """
    from sklearn.isotonic import isotonic_regression  # takes a second to import

    levels, place, counts = np.unique(probabilities.astype(np.float64), return_inverse=True, return_counts=True)
    means = np.bincount(place, labels) / counts
    edge = 1 / (len(labels) + 2)
    steps = isotonic_regression(means, sample_weight=counts.astype(np.float64), y_min=edge, y_max=1 - edge)
    inside = np.zeros(len(steps), bool)
    inside[1:-1] = (steps[1:-1] == steps[:-2]) & (steps[1:-1] == steps[2:])
    return levels[~inside], steps[~inside]


def _best_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the lowest log loss: the zero of its slope, by Newton's steps inside a shrinking bracket.

    The log loss is convex in 1 / temperature. Source: Guo et al. 2017.
    """
    logits = clipped_logits(probabilities, clip=CLIP)
    squares = logits**2
    low, high, scale = FLATTEST, SHARPEST, 1.0
    for _ in range(ROUNDS):
        tempered = 1 / (1 + np.exp(-scale * logits))  # logits are clipped: nothing overflows
        slope = float(np.mean((tempered - labels) * logits))
        bend = float(np.mean(tempered * (1 - tempered) * squares))
        if slope == 0:
            break
        low, high = (low, scale) if slope > 0 else (scale, high)
        step = scale - slope / bend if bend > 0 else low
        following = step if low < step < high else (low + high) / 2
        if abs(following - scale) < ENOUGH:
            break
        scale = following
    return 1 / scale


def held_out_groups(groups: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each group, the rows to be scored, its own, and those to fit on, of all others: (n,) bool each."""
    for group in np.unique(groups):
        yield groups == group, groups != group


def cross_fitted(method: Method, probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each row calibrated by what was fitted on the other groups, (n,). A single group stays as it is."""
    found = probabilities.astype(np.float64)
    for scored, fitted in held_out_groups(groups):
        if fitted.any():
            found[scored] = fit_calibrator(method, probabilities[fitted], labels[fitted]).apply(probabilities[scored])
    return found


def choose_method(raw: Reliability, nested: Mapping[Method, Reliability]) -> Method:
    """The method with the lowest log loss on groups that it was not fitted on; `none`, where no method is better.

    Better is a lower calibration error without a higher log loss. nested: of the values of `cross_fitted`.
    """
    better = {method: one for method, one in nested.items() if one.ece < raw.ece and one.log_loss <= raw.log_loss}
    return min(better, key=lambda method: better[method].log_loss, default="none")
