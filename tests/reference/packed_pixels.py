"""The pixels of a page, unpacked pixel by pixel.

From ITU-T T.87, A.4.2: with a, b, c the neighbours at the left, above, and above at the left (0 beyond the edges), the
prediction is min(a, b) where c >= max(a, b), max(a, b) where c <= min(a, b), and a + b - c elsewhere. The value is the
prediction plus what it missed, m; m is written as 2 m where m >= 0 and as -2 m - 1 where m < 0, all low bytes before
all high bytes.

By hand, of 2 x 2 pixels with the codes 10, 1, 3, 4: 0 + 5 = 5; left 5, so c <= min(5, 0), the prediction is 5, and
5 - 1 = 4; above 5, so 5 - 2 = 3; at last a = 3, b = 4, c = 5 >= 4, so 3 + 2 = 5.

>>> codes = bytes([10, 1, 3, 4, 0, 0, 0, 0])
>>> unpack_slowly(base64.b64encode(zlib.compress(codes)).decode(), 2, 2)
[[5, 4], [3, 5]]
"""

from __future__ import annotations

import base64
import zlib


def unpack_slowly(text: str, rows: int, columns: int) -> list[list[int]]:
    stream = zlib.decompress(base64.b64decode(text))
    assert len(stream) == 2 * rows * columns
    picture = [[0] * columns for _ in range(rows)]
    for row in range(rows):
        for column in range(columns):
            a = picture[row][column - 1] if column > 0 else 0
            b = picture[row - 1][column] if row > 0 else 0
            c = picture[row - 1][column - 1] if row > 0 and column > 0 else 0
            if c >= max(a, b):
                prediction = min(a, b)
            elif c <= min(a, b):
                prediction = max(a, b)
            else:
                prediction = a + b - c
            at = row * columns + column
            code = stream[at] + 256 * stream[rows * columns + at]
            missed = code // 2 if code % 2 == 0 else -(code + 1) // 2
            picture[row][column] = prediction + missed
    return picture
