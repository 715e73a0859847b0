"""Pixels and millimetres: where a body lies in an image.

Body coordinates: x to the patient's left, y to the back, z upwards, in mm from an origin that the anatomy chooses. A
Grid covers the rectangle of the image that holds the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

COARSE = 1.4  # mm between the points at which slowly varying fields are computed
Array = NDArray[np.floating[Any]]  # float32 unless said otherwise


@dataclass(frozen=True)
class Grid:
    """The body's rectangle in a square image. x and y: (rows, columns) float32, mm in body coordinates."""

    size: int  # of the whole image
    row: int  # of the rectangle's first pixel
    column: int
    spacing: float  # mm per pixel
    to_pixel: NDArray[np.float64]  # (2, 3): body mm -> (column, row) of the rectangle
    x: Array
    y: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.x.shape[0], self.x.shape[1]

    @property
    def part(self) -> tuple[slice, slice]:
        """The rectangle within the whole image."""
        return slice(self.row, self.row + self.shape[0]), slice(self.column, self.column + self.shape[1])

    @cached_property
    def coarse(self) -> tuple[Array, Array]:
        """The x and y, mm, of points about COARSE mm apart; (fewer rows, fewer columns)."""
        step = max(1, round(COARSE / self.spacing))
        small = (max(4, self.shape[1] // step), max(4, self.shape[0] // step))
        x, y = (cv2.resize(one, small, interpolation=cv2.INTER_AREA) for one in (self.x, self.y))
        return np.asarray(x, np.float32), np.asarray(y, np.float32)

    def refine(self, coarse: Array) -> Array:
        """Values at the coarse points, interpolated on the whole rectangle."""
        return np.asarray(cv2.resize(coarse, self.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)

    def crop(self, part: tuple[slice, slice]) -> Grid:
        """A rectangle within the rectangle."""
        row, column = part[0].start, part[1].start
        to_pixel = self.to_pixel - [[0, 0, column], [0, 0, row]]
        return Grid(self.size, self.row + row, self.column + column, self.spacing, to_pixel, self.x[part], self.y[part])


def place_body(
    size: int,
    spacing: float,
    rotation: float,
    offset: tuple[float, float],
    *,
    width: tuple[float, float],
    depth: tuple[float, float],
) -> Grid:
    """A grid for a body turned by `rotation` (radians) whose origin lies `offset` mm from the image's centre.

    size: rows and columns of the image. spacing: mm per pixel. width, depth: the least and the largest x and y of the
    body, mm.
    """
    middle = (size - 1) / 2
    cos, sin = np.cos(rotation), np.sin(rotation)
    to_image = np.array([[cos, -sin, offset[0]], [sin, cos, offset[1]]]) / spacing + [[0, 0, middle], [0, 0, middle]]
    column, row = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    dx = (column - np.float32(to_image[0, 2])) * np.float32(spacing)
    dy = (row - np.float32(to_image[1, 2])) * np.float32(spacing)
    x = np.float32(cos) * dx + np.float32(sin) * dy
    y = np.float32(-sin) * dx + np.float32(cos) * dy
    inside = (x > width[0]) & (x < width[1]) & (y > depth[0]) & (y < depth[1])
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    to_pixel = to_image - [[0, 0, columns[0]], [0, 0, rows[0]]]
    return Grid(size, int(rows[0]), int(columns[0]), spacing, to_pixel, x[part].copy(), y[part].copy())
