"""One slice of a neck while it is drawn: its pixels in mm, its height and its level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from hounsfield.core.phantoms.grid import Array, Grid

from .solids import Points
from .spine import Spine

COARSE = 1.4  # mm between the points at which soft tissue is computed
THINNEST_EDGE = 0.5  # mm over which an edge is soft


@dataclass(frozen=True)
class Frame:
    """A slice. Places beside the spine are told from the bodies' line, in mm of a neck of usual size."""

    spine: Spine
    grid: Grid
    z: float  # mm, in neck coordinates
    girth: float  # of everything around the spine; multiplies lengths

    @cached_property
    def level(self) -> float:
        """Height in vertebrae."""
        return self.spine.level(self.z)

    @cached_property
    def around(self) -> Points:
        """Every pixel, from the bodies' line; w is the height, mm."""
        return self._points(self.grid.x, self.grid.y)

    @cached_property
    def coarse(self) -> Points:
        """Points about COARSE mm apart."""
        step = max(1, round(COARSE / self.grid.spacing))
        small = (max(4, self.grid.shape[1] // step), max(4, self.grid.shape[0] // step))
        x, y = (cv2.resize(one, small, interpolation=cv2.INTER_AREA) for one in (self.grid.x, self.grid.y))
        return self._points(np.asarray(x, np.float32), np.asarray(y, np.float32))

    def _points(self, x: Array, y: Array) -> Points:
        at_x, at_y, _ = self.spine.line(self.z)
        scale = np.float32(1 / self.girth)
        return Points((x - np.float32(at_x)) * scale, (y - np.float32(at_y)) * scale, np.full_like(x, self.z))

    def refine(self, coarse: Array) -> Array:
        """Values at the coarse points, interpolated on the whole grid."""
        return np.asarray(cv2.resize(coarse, self.grid.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)

    @property
    def soft(self) -> float:
        """Mm over which an edge is soft: at least a pixel."""
        return max(self.grid.spacing, THINNEST_EDGE)

    def by_level(self, levels: Sequence[float], values: Sequence[float]) -> float:
        """A measure that changes with the level."""
        return float(np.interp(self.level, levels, values))

    def window(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[slice, slice]:
        """The rows and columns that hold a rectangle, mm in neck coordinates; empty where it is outside."""
        inside = (self.grid.x > x[0]) & (self.grid.x < x[1]) & (self.grid.y > y[0]) & (self.grid.y < y[1])
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not len(rows):
            return slice(0, 0), slice(0, 0)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
