"""One slice of a neck while it is drawn: its pixels in mm, its height and its level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.grid import Array, Grid

from .solids import Points
from .spine import Spine

Part = tuple[slice, slice]  # rows and columns
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
        """Points further apart, at which soft tissue is computed."""
        return self._points(*self.grid.coarse)

    def _points(self, x: Array, y: Array) -> Points:
        at_x, at_y, _ = self.spine.line(self.z)
        scale = np.float32(1 / self.girth)
        return Points((x - np.float32(at_x)) * scale, (y - np.float32(at_y)) * scale, np.full_like(x, self.z))

    @property
    def soft(self) -> float:
        """Mm over which an edge is soft: at least a pixel."""
        return max(self.grid.spacing, THINNEST_EDGE)

    def by_level(self, levels: Sequence[float], values: Sequence[float]) -> float:
        """A measure that changes with the level."""
        return float(np.interp(self.level, levels, values))

    def window(self, x: tuple[float, float], y: tuple[float, float]) -> tuple[Part, Grid]:
        """The part of the picture that holds a rectangle, mm in neck coordinates; empty where it is outside."""
        corners = np.array([[one, other] for one in x for other in y])
        at = corners @ self.grid.to_pixel[:, :2].T + self.grid.to_pixel[:, 2]
        low, high = np.floor(at.min(axis=0)).astype(int), np.ceil(at.max(axis=0)).astype(int) + 1
        rows, columns = (
            slice(*np.clip((low[axis], high[axis]), 0, self.grid.shape[1 - axis]).tolist()) for axis in (1, 0)
        )
        return (rows, columns), self.grid.crop((rows, columns))

    def near_spine(self, side: float, front: float, back: float) -> tuple[Part, Frame]:
        """The part of the picture so many mm around the bodies' line, and this slice as no more than that."""
        x, y, _ = self.spine.line(self.z)
        side, front, back = side * self.girth, front * self.girth, back * self.girth
        part, grid = self.window((x - side, x + side), (y - front, y + back))
        return part, replace(self, grid=grid)


def box_of(mask: NDArray[np.bool_]) -> Part:
    """The smallest part of a picture that holds all of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
