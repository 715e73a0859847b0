"""The losses of a segmentation, from the specification's section 5: x logits, p = sigma(x), t target.

    BCE = mean over all pixels of max(x,0) - x*t + ln(1+e^(-|x|))
    Dice = 1 - (2*sum pt + eps)/(sum p + sum t + eps), eps = 1e-6, sums over the whole batch (not per image)
    Focal = mean of -(1-q)^2 * ln q, q = (1-t)(1-p) + t*p, with p and t clamped to [1e-8, 1-1e-8]
    Combo = w_bce*BCE + w_dice*Dice + w_focal*Focal, clamped below at 1e-5

By hand, two pixels with x = 0 (p = 1/2), of which the second is positive:

    BCE    0 - 0 + ln 2 and 0 - 0 + ln 2                          mean ln 2         = 0.693147
    Dice   1 - (2 * 1/2 + eps) / (1 + 1 + eps)                    about 1 - 1/2     = 0.5
    Focal  q = 1/2 of both, 1/4 * ln 2 of both                    mean ln(2) / 4    = 0.173287
    Combo  with weights 3, 1, 4: 2.07944 + 0.5 + 0.69315                            = 3.27259

>>> x, t = np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]])
>>> [round(float(loss(x, t)), 6) for loss in (bce, dice, focal)]
[0.693147, 0.5, 0.173287]
>>> round(float(combo(x, t, 3, 1, 4)), 5)
3.27259
>>> float(combo(np.array([[-50.0, 50.0]]), t, 3, 1, 4))
1e-05
"""

from __future__ import annotations

import numpy as np

EPS = 1e-6


def bce(x: np.ndarray, t: np.ndarray) -> float:
    """x, t: the batch, of any shape."""
    return float(np.mean(np.maximum(x, 0) - x * t + np.log(1 + np.exp(-np.abs(x)))))


def dice(x: np.ndarray, t: np.ndarray) -> float:
    """One value for the whole batch."""
    p = 1 / (1 + np.exp(-x))
    return float(1 - (2 * np.sum(p * t) + EPS) / (np.sum(p) + np.sum(t) + EPS))


def focal(x: np.ndarray, t: np.ndarray) -> float:
    """gamma = 2, no alpha."""
    p = np.clip(1 / (1 + np.exp(-x)), 1e-8, 1 - 1e-8)
    t = np.clip(t, 1e-8, 1 - 1e-8)
    q = (1 - t) * (1 - p) + t * p
    return float(np.mean(-((1 - q) ** 2) * np.log(q)))


def combo(x: np.ndarray, t: np.ndarray, w_bce: float, w_dice: float, w_focal: float) -> float:
    """The weighted sum."""
    return max(w_bce * bce(x, t) + w_dice * dice(x, t) + w_focal * focal(x, t), 1e-5)
