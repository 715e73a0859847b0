"""Which windows a study has, and which of its slices they show (RSNA 2022, 3rd place, section 3, its limit mended).

Section 3: "starts (n = largest slice number): s=1 always; beside it s <= n-97 only: s=n-97, and every s divisible by 12
(training) or 16 (val/test); duplicates once."  Section 8: "window limit n-97 omits the last two slices; studies under
96 slices vanish -> limit n-95, pad short studies."  Slices are counted from 0 here, and so are the multiples:
published, the second window begins 11 slices behind the first, and not 12.

By hand, windows of 6 slices, every 4: 15 slices have starts 0, 4, 8 and, since 9 slices precede the last six, 9. A
study of 6 has one window, and one of 5, too, of which the last place is padding.

>>> starts(15, 6, 4)
[0, 4, 8, 9]
>>> starts(6, 6, 4), starts(5, 6, 4), shown(5, 6, 4)
([0], [0], [0, 1, 2, 3, 4])
>>> starts(7, 6, 4), shown(7, 6, 4)
([0, 1], [0, 1, 2, 3, 4, 5, 6])
"""

from __future__ import annotations


def starts(count: int, slices: int, step: int) -> list[int]:
    found = [start for start in range(count) if start % step == 0 and start + slices <= count]
    last = count - slices if count > slices else 0
    return found if last in found else [*found, last]


def shown(count: int, slices: int, step: int) -> list[int]:
    """The slices that some window holds."""
    return [z for z in range(count) if any(start <= z < start + slices for start in starts(count, slices, step))]
