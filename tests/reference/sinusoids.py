"""The embedding of a position (RSNA 2022, 3rd place, section 3), number by number.

f_k = 10000^(-k/7), k = 0..7; e(p) = [sin p f_k, cos p f_k].

By hand: of p = 0 all sines are 0 and all cosines 1; the first frequency is 1 and the last 1 / 10000.

>>> embedding(0.0)
[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
>>> [round(embedding(2.0)[place], 6) for place in (0, 7, 8, 15)]
[0.909297, 0.0002, -0.416147, 1.0]
"""

from __future__ import annotations

import math


def embedding(p: float) -> list[float]:
    frequencies = [10000 ** (-k / 7) for k in range(8)]
    return [math.sin(p * f) for f in frequencies] + [math.cos(p * f) for f in frequencies]
