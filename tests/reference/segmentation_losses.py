"""The losses of a segmentation, from the specification's section 5: x logits, p = sigma(x), t target.

    BCE = mean over all pixels of max(x,0) - x*t + ln(1+e^(-|x|))
    Dice = 1 - (2*sum pt + eps)/(sum p + sum t + eps), eps = 1e-6, sums over the whole batch (not per image)
    Focal = mean of -(1-q)^2 * ln q, q = (1-t)(1-p) + t*p, with p and t clamped to [1e-8, 1-1e-8]
    Combo = w_bce*BCE + w_dice*Dice + w_focal*Focal, clamped below at 1e-5

By hand, two films of two pixels, x = 0, ln 3 and -ln 3, ln 3 (p = 1/2, 3/4 and 1/4, 3/4), of which the second alone is
positive:

    BCE    ln 2;  ln 3 - ln 3 + ln 4/3;  ln 4/3;  ln 3 + ln 4/3 = ln 4        ln(128/9) / 4         = 0.663701
    Dice   1 - (2 * 3/4 + eps) / (9/4 + 1 + eps); film by film it were 2/3    a hair below 7/13     = 0.538461
    Focal  q = 1/2, 3/4, 3/4, 1/4: 1/4 ln 2 + 2/16 ln 4/3 + 9/16 ln 4         0.989038 / 4          = 0.247259
    Combo  with weights 3, 1, 4: 1.991103 + 0.538461 + 0.989038                                     = 3.51860

>>> x, t = np.log(3) * np.array([[0, 1], [-1, 1]]), np.array([[0, 1], [0, 0]])
>>> [round(loss(x, t), 6) for loss in (bce, dice, focal)]
[0.663701, 0.538461, 0.247259]
>>> round(combo(x, t, 3, 1, 4), 5)
3.5186

At the limits: with nothing to find and p = 1e-6, Dice is 1 - eps / (1e-6 + eps) = 1/2; what is wrong and sure of it has
q = 1e-8 + 1e-8, and focal -ln 2e-8 = 17.72753; where all is right the sum is clamped.

>>> round(dice(-np.log([[999_999]]), np.array([[0]])), 6), round(focal(np.array([100]), np.array([0])), 5)
(0.5, 17.72753)
>>> combo(np.array([[-50, 50]]), np.array([[0, 1]]), 3, 1, 4)
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
