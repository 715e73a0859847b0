"""Where slices lie in the patient: the slice normal, the order along it, and the plain view of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

ASPECT_LIMIT = 20.0  # a reformat that was never resampled has pixels of a slice's thickness, ten times their width
SIDE_LIMIT = 8192  # pixels
_AXIS_ENDS = (("L", "R"), ("P", "A"), ("H", "F"))  # x to the left, y to the back, z to the head; then the other way
PERPENDICULAR_TOLERANCE = 0.01  # cosine between row and column direction; headers carry 4 to 6 digits


def slice_normal(orientation: np.ndarray) -> np.ndarray:
    """The unit vector perpendicular to each slice, from row direction x column direction.

    orientation: (..., 6), ImageOrientationPatient: the direction cosines of a row, then of a column. Returns (..., 3)
    float64 in patient coordinates (x to the left, y to the back, z to the head); NaN where the orientation is NaN, or
    its two directions are zero or not perpendicular.
    Source: DICOM PS3.3 C.7.6.2.1.1.
    """
    numbers = np.asarray(orientation, dtype=np.float64)
    # one variable a component: a single slice then costs a few float operations, and np.cross a tenth of a millisecond
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ax, ay, az = _unit(numbers[..., 0], numbers[..., 1], numbers[..., 2])
        bx, by, bz = _unit(numbers[..., 3], numbers[..., 4], numbers[..., 5])
        normal = _unit(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
        perpendicular = np.abs(ax * bx + ay * by + az * bz) <= PERPENDICULAR_TOLERANCE
    return np.where(perpendicular[..., None], np.stack(normal, axis=-1), np.nan)


def _unit(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The vector of length 1 in the same direction; NaN for a zero vector."""
    length = np.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


def position_along_normal(position: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """The signed distance of each slice from the origin along its own normal, in mm.

    position: (N, 3), ImagePositionPatient in mm; orientation: (N, 6). Returns (N,) float64; NaN where either is
    unknown. It orders the slices of a series whatever its tilt; for plain axial slices it is z. The difference of two
    values is the distance between two parallel slices. Slices of different orientation do not compare.
    """
    return np.sum(np.asarray(position, dtype=np.float64) * slice_normal(orientation), axis=-1)


def edge_letters(orientation: Sequence[float]) -> tuple[str, str, str, str]:
    """The patient's direction at the left, right, top and bottom edge of a picture: L, R, A, P, H (head) or F (feet).

    orientation: six direction cosines; of a tilted slice the nearest axis counts.
    Source: DICOM PS3.3 C.7.6.1.1.1 (Patient Orientation).
    """
    ends = []
    for direction in (orientation[:3], orientation[3:]):
        axis = max(range(3), key=lambda one: abs(direction[one]))
        positive, negative = _AXIS_ENDS[axis]
        ends += [negative, positive] if direction[axis] > 0 else [positive, negative]
    left, right, top, bottom = ends
    return left, right, top, bottom


class Turn(NamedTuple):
    """What turns a picture: transposed first, then its rows and its columns put in reverse order."""

    transposed: bool
    rows_reversed: bool
    columns_reversed: bool


PLAIN = Turn(transposed=False, rows_reversed=False, columns_reversed=False)
# By the patient axis (x to the left, y to the back, z to the head) that lies nearest to the normal, the directions in
# which radiologists look at the plane: the axis along a row and its sign, the axis along a column and its sign.
_PLAIN_VIEWS = (
    ((1, 1), (2, -1)),  # sagittal: to the back, to the feet
    ((0, 1), (2, -1)),  # coronal: to the patient's left, to the feet
    ((0, 1), (1, 1)),  # axial: to the patient's left, to the back
)


def plain_turn(orientation: Sequence[float]) -> Turn:
    """The turn, of mirroring and rotations by 90 degrees, that brings a slice nearest to the plain view of its plane.

    orientation: six direction cosines that have a normal. What is tilted stays tilted: nothing is interpolated.
    """
    right, down = orientation[:3], orientation[3:]
    normal = [right[1] * down[2] - right[2] * down[1], right[2] * down[0] - right[0] * down[2],
              right[0] * down[1] - right[1] * down[0]]  # fmt: skip
    sizes = [abs(part) for part in normal]
    (across, across_sign), (along, along_sign) = _PLAIN_VIEWS[max((2, 1, 0), key=sizes.__getitem__)]
    transposed = abs(right[across]) < abs(right[along])
    if transposed:
        right, down = down, right
    return Turn(transposed, down[along] * along_sign < 0, right[across] * across_sign < 0)


def turn_picture(picture: np.ndarray, turn: Turn) -> np.ndarray:
    """The picture turned, in memory of its own. picture: (rows, columns)."""
    turned = picture.T if turn.transposed else picture
    turned = turned[:: -1 if turn.rows_reversed else 1, :: -1 if turn.columns_reversed else 1]
    return np.array(turned, order="C")


def turn_directions(orientation: Sequence[float], turn: Turn) -> tuple[float, ...]:
    """The direction cosines of a picture that was turned."""
    right, down = (orientation[3:], orientation[:3]) if turn.transposed else (orientation[:3], orientation[3:])
    signs = (-1.0 if turn.columns_reversed else 1.0, -1.0 if turn.rows_reversed else 1.0)
    return tuple(part * sign + 0.0 for direction, sign in zip((right, down), signs, strict=True) for part in direction)


def turn_corner(
    position: tuple[float, float, float],
    orientation: Sequence[float],
    spacing: tuple[float, float],
    shape: tuple[int, ...],
    turn: Turn,
) -> tuple[float, float, float]:
    """Where the first pixel of a turned picture lies, in mm.

    position: of the first pixel before. spacing: mm between rows and between columns, shape: rows and columns, before.
    """
    reversed_rows, reversed_columns = turn.rows_reversed, turn.columns_reversed
    if turn.transposed:  # rows that are reversed after it were columns
        reversed_rows, reversed_columns = reversed_columns, reversed_rows
    by_columns = (shape[1] - 1) * spacing[1] if reversed_columns else 0.0
    by_rows = (shape[0] - 1) * spacing[0] if reversed_rows else 0.0
    x, y, z = (
        at + by_columns * right + by_rows * down
        for at, right, down in zip(position, orientation[:3], orientation[3:], strict=True)
    )
    return x, y, z


def square_shape(shape: tuple[int, ...], spacing: tuple[float, float]) -> tuple[int, int] | None:
    """Rows and columns of the same picture with square pixels, of the smaller of both spacings (so nothing is lost).

    None where the pixels are longer than ASPECT_LIMIT times their width or the picture would be beyond SIDE_LIMIT:
    such a spacing is no scanner's.
    """
    side = min(spacing)
    rows, columns = (round(count * length / side) for count, length in zip(shape, spacing, strict=True))
    if max(spacing) > ASPECT_LIMIT * side or max(rows, columns) > SIDE_LIMIT:
        return None
    return rows, columns


def square_pixels(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resample a picture to `shape`, linearly between pixel centres; the edges stay where they are.

    picture: (rows, columns) int16 or uint16. Returns the same type, rounded.
    """
    return cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_LINEAR)
