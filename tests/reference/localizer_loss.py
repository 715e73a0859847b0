"""What the localiser minimises (RSNA 2022, 3rd place, section 2), sample by sample.

0.8 L1(box; mean over samples having a box only) + 0.2 BCE-with-logits(presence, target clipped to [0.05, 0.95]); where
no sample has a box, the first term is left out (section 8).

By hand: two samples, of which the first has a box that is 0.1 off at one edge of four, so that its L1 is 0.025. At a
logit of 0 the cross-entropy is log 2 = 0.693147 whatever the target.

>>> round(loss([(0.2, 0.2, 0.5, 0.5), (9, 9, 9, 9)], [0, 0], [(0.2, 0.2, 0.5, 0.6), None], [1, 0]), 6)
0.158629
>>> round(loss([(9, 9, 9, 9)], [0], [None], [1]), 6)
0.138629
>>> round(loss([(0, 0, 1, 1)], [2.0], [None], [1]), 6), round(0.2 * (math.log(1 + math.exp(-2)) + 0.05 * 2), 6)
(0.045386, 0.045386)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Edges = tuple[float, float, float, float]


def loss(
    boxes: Sequence[Edges], logits: Sequence[float], true: Sequence[Edges | None], has_box: Sequence[float]
) -> float:
    entropy = 0.0
    for logit, target in zip(logits, has_box, strict=True):
        target = min(max(target, 0.05), 0.95)
        p = 1 / (1 + math.exp(-logit))
        entropy -= target * math.log(p) + (1 - target) * math.log(1 - p)
    total = 0.2 * entropy / len(logits)
    errors = [
        sum(abs(a - b) for a, b in zip(box, edges, strict=True)) / 4
        for box, edges in zip(boxes, true, strict=True)
        if edges is not None
    ]
    return total + (0.8 * sum(errors) / len(errors) if errors else 0.0)
