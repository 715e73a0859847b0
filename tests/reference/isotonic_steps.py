"""Isotonic regression of labels on probabilities, by its max-min formula, and how sure it may be.

    g(p) = max over a <= p of min over b >= p of the mean label of all rows with probabilities from a to b

(Barlow et al. 1972.) Then g is cut to [1 / (n + 2), 1 - 1 / (n + 2)], what Laplace's rule of succession gives for n
rows of one kind.

By hand, rows at 0.2 0.2 0.2 0.6 0.9 with labels 1 1 0 0 1. At 0.2: the least of 2/3 (up to 0.2), 2/4 (up to 0.6) and
3/5 is 1/2. At 0.6: from 0.2 on 2/4 up to 0.6 and 3/5, so 1/2; from 0.6 on 0; the greater is 1/2. At 0.9 the label is 1,
which is cut to 6/7.

>>> [round(one, 4) for one in isotonic_steps([0.2, 0.9, 0.2, 0.6, 0.2], [1, 1, 1, 0, 0])]
[0.5, 0.8571, 0.5, 0.5, 0.5]
"""

from __future__ import annotations

from collections.abc import Sequence


def isotonic_steps(probabilities: Sequence[float], labels: Sequence[float]) -> list[float]:
    """What the probability of each row becomes."""
    found, edge = sorted(set(probabilities)), 1 / (len(labels) + 2)

    def mean(low: float, high: float) -> float:
        between = [y for p, y in zip(probabilities, labels, strict=True) if low <= p <= high]
        return sum(between) / len(between)

    def step(at: float) -> float:
        best = max(min(mean(low, high) for high in found if high >= at) for low in found if low <= at)
        return min(max(best, edge), 1 - edge)

    return [step(p) for p in probabilities]
