"""Run-length encoding of a mask, pixel by pixel, as SIIM-ACR 2019 defines it.

    Flatten column-major, 0-based: pixel (row y, column x) of an H-high image has index k = x * H + y. Put e0 = 0.
    Run i covers [e(i-1) + s_i, e(i-1) + s_i + l_i) and its exclusive end is e_i.

By hand, 3 rows and 4 columns:

    0 1 0 0
    1 1 0 0      column by column: 0 1 1 | 1 1 0 | 0 0 0 | 0 0 1
    1 0 0 1      runs [1, 5) and [11, 12): "1 4", and 11 - 5 = 6: "6 1"

>>> encode_pixel_by_pixel([[0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1]])
'1 4 6 1'
>>> decode_pixel_by_pixel("1 4 6 1", 3, 4)
[[0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1]]
>>> encode_pixel_by_pixel([[0, 0]]), decode_pixel_by_pixel("-1", 1, 2)
('-1', [[0, 0]])

A run from the first pixel on starts at 0: 1 1 | 0 1 down the columns is [0, 2) and [3, 4).

>>> encode_pixel_by_pixel([[1, 0], [1, 1]]), decode_pixel_by_pixel("0 2 1 1", 2, 2)
('0 2 1 1', [[1, 0], [1, 1]])
"""

from __future__ import annotations

from collections.abc import Sequence


def encode_pixel_by_pixel(mask: Sequence[Sequence[int]]) -> str:
    """mask: rows of 0 and 1."""
    rows, columns = len(mask), len(mask[0])
    numbers = []
    end, length = 0, 0
    for k in range(rows * columns):
        if mask[k % rows][k // rows]:
            if length == 0:
                numbers.append(k - end)
            length += 1
        elif length > 0:
            numbers.append(length)
            end, length = k, 0
    if length > 0:
        numbers.append(length)
    return " ".join(str(number) for number in numbers) if numbers else "-1"


def decode_pixel_by_pixel(text: str, rows: int, columns: int) -> list[list[int]]:
    """Returns rows of 0 and 1."""
    numbers = [] if text == "-1" else [int(word) for word in text.split()]
    numbers += [rows * columns, 0]  # background to the end
    mask = [[0] * columns for _ in range(rows)]
    run, background, left = 0, numbers[0], numbers[1]
    for k in range(rows * columns):
        while background == 0 and left == 0:
            run += 1
            background, left = numbers[2 * run], numbers[2 * run + 1]
        if background > 0:
            background -= 1
        else:
            mask[k % rows][k // rows] = 1
            left -= 1
    return mask
