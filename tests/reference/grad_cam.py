"""Gradient-weighted class activation maps, from R. Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2:

    alpha_k^c = 1/Z sum_i sum_j  d y^c / d A_ij^k        (Z cells of the feature map A^k; y^c: score of class c)
    L^c = ReLU( sum_k alpha_k^c A^k )

The derivatives are central differences of the scores, feature by feature, so nothing here differentiates by itself.

By hand: two maps of one row, A^1 = (1, 2) and A^2 = (3, -1), and the scores y^1 = A^1_1 + 2 A^1_2 - A^2_1 - A^2_2 and
y^2 = 4 A^2_1. Then alpha^1 = ((1 + 2)/2, (-1 - 1)/2) = (1.5, -1), and L^1 = ReLU(1.5 * 1 - 3, 1.5 * 2 + 1) = (0, 4);
alpha^2 = (0, 4/2), and L^2 = ReLU(2 * 3, 2 * -1) = (6, 0).

>>> def scores(a):
...     return np.array([a[0, 0, 0] + 2 * a[0, 0, 1] - a[1].sum(), 4 * a[1, 0, 0]])
>>> grad_cam(scores, np.array([[[1.0, 2.0]], [[3.0, -1.0]]])).round(6).tolist()
[[[0.0, 4.0]], [[6.0, 0.0]]]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEP = 1e-5


def grad_cam(scores: Callable[[np.ndarray], np.ndarray], features: np.ndarray) -> np.ndarray:
    """Maps of every class, (C, h, w). features: (K, h, w) float64. scores: of such features, (C,)."""
    channels, rows, columns = features.shape
    maps = np.zeros((len(scores(features)), rows, columns))
    for k in range(channels):
        alpha = np.zeros(len(maps))
        for i in range(rows):
            for j in range(columns):
                more, less = features.copy(), features.copy()
                more[k, i, j] += STEP
                less[k, i, j] -= STEP
                alpha += (scores(more) - scores(less)) / (2 * STEP)
        alpha /= rows * columns
        maps += alpha[:, None, None] * features[k]
    return np.maximum(maps, 0)
