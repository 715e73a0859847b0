"""The published way from a NIfTI file's array to the slices of its study, and from pixels to places, by the book."""

from __future__ import annotations

import numpy as np


def published_slices(raw: np.ndarray, z_direction: int) -> np.ndarray:
    """Section 1: "raw array (X,Y,Z); always reverse axis 1; additionally reverse axis 2 if zdir < 0; transpose to
    (slice,row,col). Entry k then belongs to the k-th slice", in ascending order of file names.

    raw: (X, Y, Z). One column, two rows (y), two slices (z) of numbers, by hand:

    >>> raw = np.array([[[1, 2], [3, 4]]])  # [y][z]
    >>> published_slices(raw, 1).tolist()  # axis 1 reversed: rows 3 4 and 1 2; slice 0 is its z = 0
    [[[3], [1]], [[4], [2]]]
    >>> published_slices(raw, -1).tolist()
    [[[4], [2]], [[3], [1]]]
    """
    turned = raw[:, ::-1, :]
    if z_direction < 0:
        turned = turned[:, :, ::-1]
    return turned.transpose(2, 1, 0)


def label_at(
    labels: np.ndarray,
    affine: np.ndarray,
    position: np.ndarray,
    orientation: np.ndarray,
    spacing: tuple[float, float],
    row: int,
    column: int,
) -> int:
    """The label of the voxel nearest to the centre of one pixel.

    DICOM PS3.3 C.7.6.2.1.1: the centre lies at position + column spacing * column * (along a row) + row spacing * row *
    (along a column), millimetres to the left, the back and the head; NIfTI's millimetres run to the right, the front
    and the head, so the first two change their sign. By hand: the pixel in row 1 and column 2 of 2 mm pixels lies at
    (-20 + 4, -24 + 2, 100), which is (16, 22, 100) there; the affine puts voxel (2, 3, 0) at (20 - 4, 28 - 6, 100).

    >>> affine = np.array([[-2.0, 0, 0, 20], [0, -2, 0, 28], [0, 0, -3, 100], [0, 0, 0, 1]])
    >>> labels = np.zeros((4, 4, 1), int)
    >>> labels[2, 3, 0] = 5
    >>> label_at(labels, affine, np.array([-20, -24, 100]), np.array([1, 0, 0, 0, 1, 0]), (2, 2), 1, 2)
    5
    """
    left, back, head = (
        position[axis] + spacing[1] * column * orientation[axis] + spacing[0] * row * orientation[3 + axis]
        for axis in range(3)
    )
    voxel = np.linalg.solve(affine, [-left, -back, head, 1.0])[:3]
    i, j, k = (round(float(part)) for part in voxel)
    return int(labels[i, j, k])
