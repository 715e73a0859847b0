"""How far probabilities can be taken at their word: calibration error, slope and intercept, Brier score.

n rows of one name; labels from 0 to 1, all of them known.
"""

from __future__ import annotations

import numpy as np

from hounsfield.core.evaluation.calibration import Reliability
from hounsfield.core.evaluation.metrics import clipped_logits, log_loss
from hounsfield.core.evaluation.score_table import CLIP

BINS = 10


def equal_mass_bins(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The bin of each row, (n,) from 0 to bins - 1: each holds as nearly the same number of rows as ties allow.

    Rows with one probability share a bin, that of the middle of their ranks, so that the order of rows does not
    matter; a bin may stay empty. probabilities: (n,).
    """
    _, place, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    middle = (2 * below + counts) * bins // (2 * len(probabilities))  # whole numbers: no rounding at an edge
    return np.asarray(middle[place])


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """The mean over rows of how far their bin's mean label is from its mean probability: 0 to 1.

    ECE = sum over bins b of n_b / n * |mean label in b - mean probability in b|, with bins of equal mass. The estimate
    is above zero for perfect probabilities, too, and the more so the fewer rows there are.
    Source: Naeini et al. 2015 (the sum); Nixon et al. 2019 (bins of equal mass), which depend less on where the
    probabilities lie than bins of equal width.
    """
    gaps = np.bincount(equal_mass_bins(probabilities, bins), labels.astype(np.float64) - probabilities, bins)
    return float(np.abs(gaps).sum() / len(probabilities))


def calibration_line(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float | None, float | None]:
    """Slope and intercept of the logistic regression of the label on the probability's logit, fitted together.

    Perfect probabilities give 1 and 0. None, where no finite ones exist: one kind of label, one probability, or labels
    that a threshold tells apart without an error. Source: Cox 1958. A soft label counts as both, by its share.
    """
    logits = clipped_logits(probabilities, clip=CLIP)
    positive, negative = logits[labels > 0], logits[labels < 1]
    if not len(positive) or not len(negative) or logits.min() == logits.max():
        return None, None
    if negative.max() <= positive.min() or positive.max() <= negative.min():
        return None, None
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    values = np.concatenate([positive, negative])[:, np.newaxis]
    kinds = np.repeat([1, 0], [len(positive), len(negative)])
    shares = np.concatenate([labels[labels > 0], 1 - labels[labels < 1]]).astype(np.float64)
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-9, max_iter=200)
    fitted.fit(values, kinds, sample_weight=shares)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def reliability_of(probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
    """All measures of some rows. probabilities, labels: (n,), n > 0."""
    slope, intercept = calibration_line(probabilities, labels)
    return Reliability(
        ece=expected_calibration_error(probabilities, labels),
        slope=slope,
        intercept=intercept,
        brier=float(np.mean((probabilities - labels) ** 2)),
        log_loss=float(log_loss(probabilities, labels, clip=CLIP).mean()),
    )
