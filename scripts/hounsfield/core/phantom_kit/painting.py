"""Painting shapes given in millimetres, and soft edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .grid import Array, Grid

PAINT_SPACING = 0.55  # mm; coarser grids paint on a finer canvas and average down
SUBPIXEL_BITS = 4


class Canvas:
    """An 8-bit mask on which shapes are painted; finer than the grid where the grid is coarse."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.scale = max(1, round(grid.spacing / PAINT_SPACING))
        self.mask = np.zeros((grid.shape[0] * self.scale, grid.shape[1] * self.scale), np.uint8)
        self.empty = True

    def _pixels(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """(n, 2) mm -> fixed-point pixels of the canvas."""
        at = points @ self.grid.to_pixel[:, :2].T + self.grid.to_pixel[:, 2]
        at = (at + 0.5) * self.scale - 0.5
        return np.rint(at * (1 << SUBPIXEL_BITS)).astype(np.int32)

    def discs(self, points: NDArray[np.float64], radii: NDArray[np.float64], value: int = 255) -> None:
        """Discs at (n, 2) mm of radii (n,) mm; a row of overlapping discs is a tube's section."""
        fixed = self.scale * (1 << SUBPIXEL_BITS) / self.grid.spacing
        for (column, row), radius in zip(self._pixels(points).tolist(), radii.tolist(), strict=True):
            if radius > 0:
                cv2.circle(self.mask, (column, row), round(radius * fixed), value, -1, cv2.LINE_8, SUBPIXEL_BITS)
                self.empty = False

    def polygon(self, points: NDArray[np.float64], value: int = 255) -> None:
        """A filled polygon, (n, 2) mm."""
        cv2.fillPoly(self.mask, [self._pixels(points)[:, None]], value, cv2.LINE_AA, SUBPIXEL_BITS)
        self.empty = False

    def line(self, points: NDArray[np.float64], width: float, value: int = 255) -> None:
        """A polyline, (n, 2) mm, `width` mm wide and at least one pixel of the canvas."""
        self.lines(points[None], width, value)

    def lines(self, paths: NDArray[np.float64], width: float, value: int = 255) -> None:
        """Polylines of one width and value, (m, n, 2) mm, as `line` paints one."""
        thickness = max(1, round(width * self.scale / self.grid.spacing))
        pixels = list(self._pixels(paths.reshape(-1, 2)).reshape(*paths.shape))
        cv2.polylines(self.mask, pixels, False, value, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        self.empty = self.empty and not len(pixels)

    def coverage(self, blur: float) -> Array:
        """The share of each pixel that is painted, 0..1, edges softened by a Gaussian of `blur` mm."""
        if self.empty:
            return np.zeros(self.grid.shape, np.float32)
        sigma = blur * self.scale / self.grid.spacing
        soft = cv2.GaussianBlur(self.mask, (0, 0), sigma) if sigma > 0.3 else self.mask
        if self.scale > 1:
            soft = cv2.resize(soft, self.grid.shape[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(soft, np.float32) * np.float32(1 / 255)


def ramp(distance: Array, softness: float) -> Array:
    """A soft edge: 0 below -softness / 2, 1 above softness / 2, straight between."""
    return np.clip(distance * np.float32(1 / softness) + np.float32(0.5), 0, 1)


def blend(image: Array, value: Array | float, share: Array) -> None:
    """Image += (value - image) * share, in place."""
    image += (np.float32(value) - image) * share if isinstance(value, float) else (value - image) * share


def smooth_path(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """`count` points on a Catmull-Rom curve through (n, d) points."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.linspace(0, len(points) - 1, count)
    segment = np.minimum(at.astype(int), len(points) - 2)
    t = (at - segment)[:, None]
    a, b, c, d = (padded[segment + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
