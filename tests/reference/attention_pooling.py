"""Pooling over a sequence, and bringing it to another length, from the specification's section 5.

    e_t = tanh(h_t . w + b_t); a_t = (exp(e_t) * mask_t / sum) + 1e-10, sum over the masked exponentials; sum a_t h_t
    max-pool || attention, concatenated
    T > steps: interpolate linearly (align_corners false): sample i of S lies at (i + 1/2) T / S - 1/2, held to 0..T-1

By hand: h = (1), (0), (5), of which the third is padding; w = ln 2, b = 0, 1, 7.
tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 3/5 and tanh(1) = 0.761594, so the
exponentials are 1.822119 and 2.141688, the first weight 1.822119 / 3.963807 = 0.459689. The mean is
0.459689 * 1, and 1e-10 is lost in it. The maximum of what is no padding is 1.

>>> h, w, b = [[1.0], [0.0], [5.0]], [math.log(2)], [0.0, 1.0, 7.0]
>>> [round(value, 6) for value in attention(h, w, b, [1, 1, 0])]
[0.459689]
>>> pooled(h, w, b, [1, 1, 0])[0]
1.0

Four samples 0, 3, 6, 9 brought to three: the places are 1/2 * 4/3 - 1/2 = 1/6, then 3/2 and 17/6.

>>> [round(value, 6) for (value,) in interpolated([[0.0], [3.0], [6.0], [9.0]], 3)]
[0.5, 4.5, 8.5]
"""

from __future__ import annotations

import math


def attention(h: list[list[float]], w: list[float], b: list[float], mask: list[int]) -> list[float]:
    """h: T states of W numbers; w: W numbers; b, mask: T or more numbers. Returns W numbers."""
    exponentials = []
    for t in range(len(h)):
        e = math.tanh(sum(h[t][i] * w[i] for i in range(len(w))) + b[t])
        exponentials.append(math.exp(e) * mask[t])
    weights = [one / sum(exponentials) + 1e-10 for one in exponentials]
    return [sum(weights[t] * h[t][i] for t in range(len(h)) if mask[t]) for i in range(len(w))]


def pooled(h: list[list[float]], w: list[float], b: list[float], mask: list[int]) -> list[float]:
    """The maximum of each of W numbers over the steps that are no padding, then the attention: 2W numbers."""
    highest = [max(h[t][i] for t in range(len(h)) if mask[t]) for i in range(len(w))]
    return highest + attention(h, w, b, mask)


def interpolated(h: list[list[float]], steps: int) -> list[list[float]]:
    """T states brought to `steps`."""
    found = []
    for i in range(steps):
        place = min(max((i + 0.5) * len(h) / steps - 0.5, 0.0), len(h) - 1.0)
        below = min(math.floor(place), len(h) - 2)
        share = place - below
        found.append([(1 - share) * x + share * y for x, y in zip(h[below], h[below + 1], strict=True)])
    return found
