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
    orientation = np.asarray(orientation, dtype=np.float64)
    row, column = orientation[..., :3], orientation[..., 3:]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        row = row / np.linalg.norm(row, axis=-1, keepdims=True)
        column = column / np.linalg.norm(column, axis=-1, keepdims=True)
        normal = np.cross(row, column)
        normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
        perpendicular = np.abs(np.sum(row * column, axis=-1, keepdims=True)) <= PERPENDICULAR_TOLERANCE
    return np.where(perpendicular, normal, np.nan)


def position_along_normal(position: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """The signed distance of each slice from the origin along its own normal, in mm.

    position: (N, 3), ImagePositionPatient in mm; orientation: (N, 6). Returns (N,) float64; NaN where either is
    unknown. It orders the slices of a series whatever its tilt; for plain axial slices it is z. The difference of two
    values is the distance between two parallel slices. Slices of different orientation do not compare.
    """
    return np.sum(np.asarray(position, dtype=np.float64) * slice_normal(orientation), axis=-1)
