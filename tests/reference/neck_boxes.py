"""The box and range of slices of a study out of its triplets, and the square cut by it.

RSNA 2022, 3rd place, section 2:
"clip predictions to [0,1]; over rows with presence > 0.5 take min x0,y0 and max x1,y1, x size, floor/ceil. z-range:
centred rolling mean of presence over 5 triplets (min_periods 3); first/last triplet > 0.1 (all slices if none) -> the
triplet's middle slice."  "extend the shorter side by the difference d: the low edge moves by ceil(d/2), the high edge
by floor(d/2), exactly square, end-exclusive ((10,20,31,30) -> y 14 to 35); then clip."

By hand: 12 slices in four triplets. The first three are sure, so x0 is the least of 0.2, -0.1 and 0.3, clipped to 0,
and the third's x1 of 0.61 is 24.4 of 40 columns. Rolling means of three or more triplets: (0.9 + 0.8 + 0.6) / 3 for the
first, and so on; all are above 0.1. Of 0.05, 0, 0.2, 0, 0 the means are 0.083, 0.0625, 0.05, 0.05, 0.067: none is.

>>> rows = [(0.2, 0.2, 0.5, 0.5, 0.9), (-0.1, 0.3, 0.5, 0.6, 0.8), (0.3, 0.3, 0.61, 0.5, 0.6), (0, 0, 1, 1, 0.1)]
>>> box(rows, 50, 40), middles(rows, 12)
((0, 10, 25, 30), (1, 10))
>>> middles([(0, 0, 1, 1, p) for p in (0.05, 0, 0.2, 0, 0)], 15)
(0, 14)
>>> middles([(0, 0, 1, 1, p) for p in (0, 0, 0, 0, 0, 0.9, 0, 0, 0, 0, 0)], 33)
(10, 22)
>>> square((10, 20, 31, 30), 512, 512), square((2, 0, 4, 20), 30, 12)
((10, 14, 31, 35), (0, 0, 12, 20))
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Rows = Sequence[Sequence[float]]


def box(rows: Rows, height: int, width: int) -> tuple[int, int, int, int]:
    sure = [[min(max(value, 0), 1) for value in row[:4]] for row in rows if row[4] > 0.5]
    return (
        math.floor(min(row[0] for row in sure) * width),
        math.floor(min(row[1] for row in sure) * height),
        math.ceil(max(row[2] for row in sure) * width),
        math.ceil(max(row[3] for row in sure) * height),
    )


def middles(rows: Rows, count: int) -> tuple[int, int]:
    """First and last slice of the range, for triplets that begin at 0, 3, 6 and so on."""
    above = []
    for place in range(len(rows)):
        near = [row[4] for other, row in enumerate(rows) if abs(other - place) <= 2]
        if len(near) >= 3 and sum(near) / len(near) > 0.1:
            above.append(place)
    return (3 * above[0] + 1, 3 * above[-1] + 1) if above else (0, count - 1)


def square(edges: Sequence[int], height: int, width: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = edges
    d = abs((x1 - x0) - (y1 - y0))
    low, high = math.ceil(d / 2), math.floor(d / 2)
    if x1 - x0 > y1 - y0:
        y0, y1 = y0 - low, y1 + high
    else:
        x0, x1 = x0 - low, x1 + high
    return max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
