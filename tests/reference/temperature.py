"""The temperature with the lowest log loss, by search: p' = 1 / (1 + exp(-logit(p) / T)).

By hand: eight rows at 0.9 or 0.1, of which six have the label that the probability points to. The best p' is 6 / 8 for
each, so ln 9 / T = ln(0.75 / 0.25) = ln 3, and T = ln 9 / ln 3 = 2.

>>> round(best_temperature([0.9] * 4 + [0.1] * 4, [1, 1, 1, 0, 0, 0, 0, 1]), 3)
2.0
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def tempered(probability: float, temperature: float) -> float:
    """One probability.

    >>> round(tempered(0.8, 2), 9)  # the logit is ln 4; half of it ln 2; 1 / (1 + 1 / 2)
    0.666666667
    """
    logit = math.log(probability / (1 - probability))
    return 1 / (1 + math.exp(-logit / temperature))


def best_temperature(probabilities: Sequence[float], labels: Sequence[float]) -> float:
    """Of 2,001 temperatures from 0.1 to 10, evenly spaced in the logarithm, the one with the least loss."""

    def loss(temperature: float) -> float:
        total = 0.0
        for p, y in zip(probabilities, labels, strict=True):
            own = min(max(tempered(p, temperature), 1e-300), 1 - 1e-16)
            total -= y * math.log(own) + (1 - y) * math.log(1 - own)
        return total

    return min((10 ** (step / 1000 - 1) for step in range(2001)), key=loss)
