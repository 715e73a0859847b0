"""Where each vertebra stands: a stack from T3 up to the skull that curves, leans and turns a little.

Neck coordinates: x to the patient's left, y to the back, z upwards, mm; the middle of C5's body is at 0. A level is a
height told in vertebrae: 1 at the middle of C1, 7 at C7, 8 at T1, 0 at the skull.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.grid import Array

from .solids import Points
from .vertebrae import ATLAS_OVER_AXIS, CANAL_DEPTH, SHAPES, reach

NAMES = ("C1", *SHAPES)  # from head to feet
LABELS = {name: number for number, name in enumerate(NAMES, 1)}  # in a segmentation
MIDDLE = "C5"
DISC = {"C7": 5.2, "T1": 4.6, "T2": 4.4}  # mm below a vertebra's body; 5.4 elsewhere
SKULL, THORAX = 21.0, 20.0  # mm from C1 to level 0, and from T3 to the level below it


@dataclass(frozen=True)
class Vertebra:
    """One vertebra in the neck."""

    name: str
    centre: NDArray[np.float64]  # (3,) mm
    axes: NDArray[np.float64]  # (3, 3): its u, v and w axes as rows
    scale: float  # of its lengths

    @property
    def label(self) -> int:
        """In a segmentation: 1 to 7 are C1 to C7, 8 and up the thoracic ones."""
        return LABELS[self.name]

    def place(self, local: tuple[float, float, float]) -> NDArray[np.float64]:
        """A point of its frame in neck coordinates."""
        return np.asarray(self.centre + self.scale * (np.array(local) @ self.axes), np.float64)

    def points(self, x: Array, y: Array, z: float) -> Points:
        """A slice's points in its frame. x, y: mm in neck coordinates, of one shape; z: the slice's height."""
        at = []
        for axis in self.axes / self.scale:
            level = float(axis[2] * z - axis @ self.centre)
            at.append(np.float32(axis[0]) * x + np.float32(axis[1]) * y + np.float32(level))
        return Points(*at)

    @property
    def heights(self) -> tuple[float, float]:
        """The lowest and the highest z that it can reach, with what broke off."""
        low, high = reach(self.name)
        ends = [self.place((0, v, w))[2] for v in (-16, 58) for w in (low, high)]
        middle = self.centre[2]
        return max(min(ends), middle - 46) - 6, min(max(ends), middle + 34) + 6


@dataclass(frozen=True)
class Spine:
    """All vertebrae, from C1 down, and what follows their curve."""

    vertebrae: tuple[Vertebra, ...]
    scale: float

    def __getitem__(self, name: str) -> Vertebra:
        return self.vertebrae[NAMES.index(name)]

    @cached_property
    def _stations(self) -> NDArray[np.float64]:
        """z, level, x, y of the bodies' line and y of the canal, rising along z."""
        rows = []
        for level, vertebra in enumerate(self.vertebrae, 1):
            body = vertebra.place((0, -6, 0) if level == 1 else (0, 0, 0))
            canal = vertebra.place((0, 10 if level == 1 else CANAL_DEPTH, 0))
            rows.append([body[2], level, body[0], body[1], canal[1]])
        first, last = np.array(rows[0]), np.array(rows[-1])
        up, down = np.array([SKULL, -1, 0, -2, -2]), np.array([-THORAX, 1, 0, 3, 3])
        above = [first + times * self.scale * up / [1, self.scale, 1, 1, 1] for times in (3, 2, 1)]
        below = [last + times * self.scale * down / [1, self.scale, 1, 1, 1] for times in (1, 2, 3)]
        return np.array([*above, *rows, *below])[::-1]

    def level(self, z: float) -> float:
        """The level at a height."""
        return float(np.interp(z, self._stations[:, 0], self._stations[:, 1]))

    def height(self, level: float) -> float:
        """The height of a level, mm."""
        return float(np.interp(-level, -self._stations[:, 1], self._stations[:, 0]))

    def line(self, z: float) -> tuple[float, float, float]:
        """X and y of the bodies' middles, and y of the canal's middle, at a height; mm."""
        x, y, canal = (float(np.interp(z, self._stations[:, 0], self._stations[:, i])) for i in (2, 3, 4))
        return x, y, canal


def random_spine(rng: np.random.Generator) -> Spine:
    """Draw a patient's spine: its size, lordosis, lean and turn."""
    scale = float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.12))
    slope = rng.normal(22.0, 6.0)  # of T1's upper plate, degrees
    lordosis = np.clip(rng.normal(22.0, 11.0), -6, 42)  # from C2 to C7; a stiff neck has little
    lean, turn = rng.normal(0, 3.0, 2), rng.normal(0, 3.0, 2)  # below and above, degrees
    tilts = _tilts(float(slope), float(lordosis))
    share = np.linspace(1, 0, len(NAMES))  # 1 at C1
    leans, turns = lean[0] + share * (lean[1] - lean[0]), turn[0] + share * (turn[1] - turn[0])
    turns[0] += rng.normal(0, 3.0)  # the atlas turns most
    axes = [_axes(*angles) for angles in zip(tilts, leans, turns, strict=True)]
    centres = _stacked(axes, scale * rng.normal(1.0, 0.012, len(NAMES)), scale)
    centres -= centres[NAMES.index(MIDDLE)]
    found = zip(NAMES, centres, axes, strict=True)
    return Spine(tuple(Vertebra(name, centre, axis, scale) for name, centre, axis in found), scale)


def _tilts(slope: float, lordosis: float) -> NDArray[np.float64]:
    """How far each vertebra leans forward, degrees, from C1 down."""
    cervical = slope - lordosis * np.array([1.0, 0.86, 0.7, 0.52, 0.32, 0.12])  # C2 to C7
    atlas = cervical[0] - 5
    return np.array([atlas, *cervical, slope, slope + 3, slope + 5])


def _axes(tilt: float, lean: float, turn: float) -> NDArray[np.float64]:
    """A frame's axes as rows: leant forward, to the side and turned, degrees."""
    a, b, c = np.deg2rad([tilt, lean, turn])
    forward = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    sideways = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turned = np.array([[np.cos(c), np.sin(c), 0], [-np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(forward @ sideways @ turned)


def _stacked(axes: list[NDArray[np.float64]], sizes: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The middles of all vertebrae, (10, 3), one disc apart from one another, from T3 at 0 up."""
    centres = [np.zeros(3)]
    for i in range(len(NAMES) - 2, 0, -1):
        above, below = NAMES[i], NAMES[i + 1]
        lower, disc = SHAPES[below].half_height, DISC.get(above, 5.4)
        up = (lower + disc / 2) * axes[i + 1][2] + (disc / 2 + SHAPES[above].half_height) * axes[i][2]
        centres.append(centres[-1] + sizes[i] * up)
    centres.append(centres[-1] + scale * np.array(ATLAS_OVER_AXIS) @ axes[1])
    return np.array(centres[::-1])
