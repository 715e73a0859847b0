"""Which slices the study network looks at (RSNA 2022, 3rd place, section 5).

"p_from = max(0, index(slnum_from) - 2), p_to = min(length, index(slnum_to) + 2), end-exclusive (one slice beyond the
border triplets at the start, none at the end); truncate to a multiple of 3."  slnum_from and slnum_to are the middle
slices of the range's first and last triplet.

By hand, of 50 slices: triplets 9 to 11 and 21 to 23 have the middles 10 and 22, so that 8 to 23 are looked at, 16
slices, of which the last is cut off. At the start of a study nothing lies before it, at its end nothing behind.

>>> looked_at(10, 22, 50), truncated(10, 22, 50)
((8, 24), (8, 23))
>>> looked_at(1, 49, 50), truncated(1, 49, 50), truncated(0, 3, 4)
((0, 50), (0, 48), (0, 3))
"""

from __future__ import annotations


def looked_at(slnum_from: int, slnum_to: int, length: int) -> tuple[int, int]:
    """p_from, p_to."""
    p_from = slnum_from - 2 if slnum_from > 2 else 0
    p_to = slnum_to + 2 if slnum_to + 2 < length else length
    return p_from, p_to


def truncated(slnum_from: int, slnum_to: int, length: int) -> tuple[int, int]:
    """The same, without the slices of a triplet that is begun."""
    p_from, p_to = looked_at(slnum_from, slnum_to, length)
    while (p_to - p_from) % 3 != 0:
        p_to -= 1
    return p_from, p_to
