"""Run-length encoding of a mask as this competition writes it: relative, column by column.

The pixels are numbered down the columns, from 0: row y of column x of an image H pixels high has number x * H + y. A
text `s1 l1 s2 l2 ...` holds, for each run, how many background pixels lie between the end of the run before it (the
first pixel, for the first run) and its start, and how long it is.

N pixels, R runs.
"""

from __future__ import annotations

import cv2
import numpy as np

from hounsfield.core.errors import Refused

EMPTY = "-1"  # no pneumothorax
NUMBERS_LIMIT = 2_000_000  # of one text; a mask of 1024 x 1024 pixels has half as many runs at most


def encode(mask: np.ndarray) -> str:
    """Encode a mask, (H, W) bool; "-1" for an empty one."""
    mask = np.ascontiguousarray(mask, bool)
    if not mask.any():
        return EMPTY
    rows, columns = mask.shape
    y, x = np.divmod(np.flatnonzero(mask[1:] != mask[:-1]), columns)  # row by row: no pixel is moved
    above = np.append(False, mask[-1, :-1])  # the top pixels follow the lowest ones of the column before
    edges = np.sort(np.concatenate([x * rows + y + 1, np.flatnonzero(mask[0] != above) * rows]))
    if mask[-1, -1]:  # the last run ends with the last pixel
        edges = np.append(edges, mask.size)
    return " ".join(map(str, np.diff(edges, prepend=0).tolist()))


def decode(text: str, shape: tuple[int, int]) -> np.ndarray:
    """The mask of a text, (H, W) bool. shape: rows and columns.

    "" and "-1" are empty. Raises Refused as `read_runs` does, and rle_outside when a run ends beyond the last pixel.
    """
    return union([read_runs(text)], shape)


def union(runs: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The mask that several lists of runs cover together, (H, W) bool. runs: (R, 2) each. Raises rle_outside."""
    rows, columns = shape
    together = np.concatenate([np.empty((0, 2), np.int64), *runs])
    if len(together) and together.max() > rows * columns:
        raise Refused("rle_outside", f"ends at pixel {together.max()} of {rows} x {columns} = {rows * columns}")
    if len(runs) > 1:
        together = _disjoint(together)
    mask = np.zeros(shape, np.uint8)
    if not len(together):
        return mask.view(bool)
    first, last = int(together[0, 0]) // rows, -(-int(together[-1, 1]) // rows)  # only these columns hold a run
    edges = np.concatenate([[first * rows], together.ravel(), [last * rows]])
    inside = np.arange(len(edges) - 1, dtype=np.uint8) & 1
    flat = np.repeat(inside, np.diff(edges)).reshape(last - first, rows)
    mask[:, first:last] = cv2.transpose(flat)
    return mask.view(bool)


def read_runs(text: str) -> np.ndarray:
    """The runs of a text as pixel numbers, (R, 2) int64: first, and one past the last.

    Raises Refused: rle_text (not whole numbers), rle_odd (a start without a length), rle_length (a run of no pixel),
    rle_overlap (a run that starts before the one before it has ended).
    """
    words = text.split()
    if words in ([], [EMPTY]):
        return np.empty((0, 2), np.int64)
    try:
        numbers = np.array(words[:NUMBERS_LIMIT], np.int64)
    except OverflowError:
        raise Refused("rle_outside", "names more pixels than any film has") from None
    except ValueError:
        raise Refused("rle_text", "is not a row of whole numbers") from None
    if len(words) % 2:
        raise Refused("rle_odd", f"has {len(words)} numbers: the last run has no length")
    if (numbers[1::2] < 1).any():
        raise Refused("rle_length", f"has a run of {numbers[1::2].min()} pixels")
    if (numbers[::2] < 0).any():
        raise Refused("rle_overlap", "has a run that starts before the one before it has ended")
    if len(words) > NUMBERS_LIMIT or numbers.max() > 2**31:
        raise Refused("rle_outside", "names more pixels than any film has")
    return np.cumsum(numbers).reshape(-1, 2)


def _disjoint(runs: np.ndarray) -> np.ndarray:
    """The same pixels as runs in order that do not overlap, (R, 2)."""
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    reached = np.maximum.accumulate(np.append(0, runs[:-1, 1])) if len(runs) else runs[:, 1]
    runs = np.stack([np.maximum(runs[:, 0], reached), runs[:, 1]], axis=1)
    return runs[runs[:, 0] < runs[:, 1]]
