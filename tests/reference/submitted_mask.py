"""The mask that is submitted for one image, step by step (SIIM-ACR 2019, 1st place, section 8 of the description).

1. Several maps: sum of weight * map, maps of another height resized bilinearly first. (Section 10: weights normalised.)
3. One row in the sample: count(p > top) < area gives nothing, else p > bottom. Several rows: no area gate, p > leak,
   where leak = the leak threshold if it is used, else bottom.
4. A least contour area above 0: only OpenCV's contours (full tree, so outlines of holes count) whose contourArea is
   strictly above it, all drawn filled in one call: even-odd. Else, if contours are used: the n largest, filled so.
5. The 0/255 mask is resized bilinearly, then > 127.

Contours are found by following borders (Suzuki and Abe 1985), their area is that of the polygon through the centres of
their pixels, and a pixel is drawn when it lies on a border that is kept, or within an odd number of them.

By hand: a ring of 5 x 5 pixels, one pixel thick but at its right side, where it is two thick, with a hole of 3 x 2. Its
outline runs through the centres of 5 x 5 pixels, 4 * 4 = 16; that of the hole through those around it, corners cut,
4 * 3 - 4 / 2 = 10. With a limit of 9 the hole stays open, with 10 it is filled, with 16 nothing is left.

>>> ring = [[1, 1, 1, 1, 1], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [1, 1, 1, 1, 1]]
>>> padded = [[0] * 7] + [[0, *line, 0] for line in ring] + [[0] * 7]
>>> sorted(area(one) for one in borders(padded))
[10.0, 16.0]
>>> larger_contours(padded, 9) == padded
True
>>> sum(map(sum, larger_contours(padded, 10))), sum(map(sum, larger_contours(padded, 16)))
(25, 0)
>>> sum(map(sum, largest_contours(padded, 1))), sum(map(sum, largest_contours(padded, 2)))
(25, 19)

Two pixels become four: their centres lie at 0.25 and 0.75 of the way, the outermost keep their value.

>>> resized([[0, 255]], 1, 4)
[[0.0, 63.75, 191.25, 255.0]]
>>> resized_mask([[0, 1]], 1, 4)
[[0, 0, 1, 1]]

A blend of weights 3 and 1, and what one and two rows of the sample make of it.

>>> p = blend([[[1.0, 0.0]], [[0.2, 0.4]]], [3, 1])
>>> [[round(value, 3) for value in line] for line in p]
[[0.8, 0.1]]
>>> gated(p, 1, top=0.75, area=1, bottom=0.3, leak=0.05), gated(p, 1, top=0.8, area=1, bottom=0.3, leak=0.05)
([[1, 0]], [[0, 0]])
>>> gated(p, 2, top=0.8, area=1, bottom=0.3, leak=0.05), gated(p, 2, top=0.8, area=1, bottom=0.3, leak=None)
([[1, 1]], [[1, 0]])
"""

from __future__ import annotations

from collections.abc import Sequence

Image = Sequence[Sequence[float]]
Mask = list[list[int]]
Pixel = tuple[int, int]
# the eight neighbours, (row, column), clockwise from the one at the left
AROUND = [(0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1)]


def blend(maps: Sequence[Image], weights: Sequence[float]) -> list[list[float]]:
    """The weighted mean, the weights brought to the sum 1; each map is first brought to the largest size."""
    rows, columns = max(len(p) for p in maps), max(len(p[0]) for p in maps)
    total = sum(weights)
    found = [[0.0] * columns for _ in range(rows)]
    for p, weight in zip(maps, weights, strict=True):
        whole = p if len(p) == rows else resized(p, rows, columns)
        for y in range(rows):
            for x in range(columns):
                found[y][x] += weight / total * whole[y][x]
    return found


def gated(p: Image, n: int, *, top: float, area: int, bottom: float, leak: float | None) -> Mask:
    """Step 3. n: rows of the image in the sample. leak: None where the leak threshold is not used."""
    if n == 1:
        high = sum(1 for line in p for value in line if value > top)
        if high < area:
            return [[0 for _ in line] for line in p]
        return [[1 if value > bottom else 0 for value in line] for line in p]
    threshold = bottom if leak is None else leak
    return [[1 if value > threshold else 0 for value in line] for line in p]


def submitted(
    p: Image, n: int, size: Pixel, *, top: float, area: int, bottom: float, leak: float | None,
    least_contour: float = 0, use_contours: bool = False,
) -> Mask:  # fmt: skip
    """Steps 3 to 5. size: rows and columns of the submitted mask."""
    mask = gated(p, n, top=top, area=area, bottom=bottom, leak=leak)
    if least_contour > 0:
        mask = larger_contours(mask, least_contour)
    elif use_contours:
        mask = largest_contours(mask, n)
    return mask if (len(mask), len(mask[0])) == size else resized_mask(mask, *size)


def larger_contours(mask: Mask, limit: float) -> Mask:
    return drawn([one for one in borders(mask) if area(one) > limit], len(mask), len(mask[0]))


def largest_contours(mask: Mask, n: int) -> Mask:
    return drawn(sorted(borders(mask), key=area, reverse=True)[:n], len(mask), len(mask[0]))


def borders(mask: Sequence[Sequence[int]]) -> list[list[Pixel]]:
    """Every border between 8-connected pixels of 1 and 4-connected pixels of 0, as its pixels of 1 in their order."""
    rows, columns = len(mask) + 2, len(mask[0]) + 2
    f = [[0] * columns, *([0, *map(int, line), 0] for line in mask), [0] * columns]
    found, number = [], 1
    for i in range(1, rows - 1):
        for j in range(1, columns - 1):
            if f[i][j] == 1 and f[i][j - 1] == 0:
                start = (i, j - 1)
            elif f[i][j] >= 1 and f[i][j + 1] == 0:
                start = (i, j + 1)
            else:
                continue
            number += 1
            found.append([(y - 1, x - 1) for y, x in _follow(f, (i, j), start, number)])
    return found


def _follow(f: list[list[int]], first: Pixel, outside: Pixel, number: int) -> list[Pixel]:
    """Follow one border from its first pixel, and mark it with its number; negative where 0 is at the right."""
    last = _next(f, first, outside, 1)  # clockwise
    if last is None:
        f[first[0]][first[1]] = -number
        return [first]
    chain, here, before = [], first, last
    while True:
        seen_right_zero = False
        turn = AROUND.index((before[0] - here[0], before[1] - here[1]))
        for step in range(1, 9):  # counterclockwise from the pixel before
            dy, dx = AROUND[(turn - step) % 8]
            after = (here[0] + dy, here[1] + dx)
            if f[after[0]][after[1]] != 0:
                break
            seen_right_zero = seen_right_zero or (dy, dx) == (0, 1)
        if seen_right_zero:
            f[here[0]][here[1]] = -number
        elif f[here[0]][here[1]] == 1:
            f[here[0]][here[1]] = number
        chain.append(here)
        if after == first and here == last:
            return chain
        before, here = here, after


def _next(f: list[list[int]], centre: Pixel, start: Pixel, direction: int) -> Pixel | None:
    turn = AROUND.index((start[0] - centre[0], start[1] - centre[1]))
    for step in range(8):
        dy, dx = AROUND[(turn + direction * step) % 8]
        if f[centre[0] + dy][centre[1] + dx] != 0:
            return centre[0] + dy, centre[1] + dx
    return None


def area(chain: Sequence[Pixel]) -> float:
    """The area of the polygon through the centres of the pixels (the shoelace formula)."""
    twice = 0
    for (y0, x0), (y1, x1) in zip(chain, [*chain[1:], chain[0]], strict=True):
        twice += x0 * y1 - x1 * y0
    return abs(twice) / 2


def drawn(chains: Sequence[Sequence[Pixel]], rows: int, columns: int) -> Mask:
    on_border = {pixel for chain in chains for pixel in chain}
    return [
        [1 if (y, x) in on_border or _crossings(chains, y, x) % 2 else 0 for x in range(columns)] for y in range(rows)
    ]


def _crossings(chains: Sequence[Sequence[Pixel]], y: int, x: int) -> int:
    """How often a ray from a pixel to the right, a hair below its row, crosses the polygons."""
    crossed = 0
    for chain in chains:
        for (y0, x0), (y1, x1) in zip(chain, [*chain[1:], chain[0]], strict=True):
            if (y0 <= y) != (y1 <= y) and min(x0, x1) >= x:
                crossed += 1
    return crossed


def resized(p: Image, rows: int, columns: int) -> list[list[float]]:
    """Bilinear; pixel i of n has its centre at (i + 1/2) / n of the way; beyond the outermost all is the same."""

    def places(have: int, want: int) -> list[tuple[int, int, float]]:
        found = []
        for i in range(want):
            at = min(max((i + 0.5) * have / want - 0.5, 0), have - 1)
            low = min(int(at), have - 1)
            found.append((low, min(low + 1, have - 1), at - low))
        return found

    lines = []
    for y0, y1, v in places(len(p), rows):
        line = []
        for x0, x1, u in places(len(p[0]), columns):
            above = p[y0][x0] * (1 - u) + p[y0][x1] * u
            below = p[y1][x0] * (1 - u) + p[y1][x1] * u
            line.append(above * (1 - v) + below * v)
        lines.append(line)
    return lines


def resized_mask(mask: Sequence[Sequence[int]], rows: int, columns: int) -> Mask:
    """Step 5, with grey levels rounded to whole numbers before they are compared."""
    grey = resized([[255.0 * value for value in line] for line in mask], rows, columns)
    return [[1 if int(value + 0.5) > 127 else 0 for value in line] for line in grey]
