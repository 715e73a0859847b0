"""Where slices lie in the patient: the slice normal, and the order along it."""

from __future__ import annotations

import numpy as np

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
