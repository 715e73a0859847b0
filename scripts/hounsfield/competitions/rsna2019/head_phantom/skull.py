"""The skull: the vault as contours over angle and height, the base as a floor with a height at each pixel.

Angles run from the patient's left (0) to the back (90 degrees), as x and y do. All lengths are mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.waves import random_waves

BINS = 1440  # angles on a contour
THETA = (np.arange(BINS, dtype=np.float32) / BINS * 2 * np.pi).astype(np.float32)
COS, SIN = np.cos(THETA), np.sin(THETA)
WIDEST = 26.0  # mm above the orbits
SMOOTH = 1.4  # mm, over which parts of the base run into each other
TOP_INNER = 107.0  # of the cavity; the bone above it is as thick as the tables at the vertex


def bump(centre: float, width: float) -> Array:
    """A Gaussian over the contour's angles, 1 at `centre`, radians; (BINS,)."""
    away = np.angle(np.exp(1j * (THETA - centre)))
    return np.asarray(np.exp(-0.5 * (away / width) ** 2), np.float32)


@dataclass(frozen=True)
class Skull:
    """One patient's skull. `scale` multiplies everything; roll and pitch (mm per mm) tilt it against the slices."""

    half_width: float
    front: float
    back: float
    harmonics: Array  # (BINS,) mm added to the contour
    thickness: Array  # (BINS,) mm between the tables' outer surfaces
    top: float  # of the cavity
    roll: float
    pitch: float

    def own_height(self, z: float) -> Array:
        """The anatomical height that the slice at z meets at each angle; (BINS,)."""
        lean = (self.roll * 60 * COS + self.pitch * 75 * SIN) * _vault(np.float32(z), self.top)  # less near the top
        return np.asarray(z + lean, np.float32)

    def inner(self, z: float) -> Array:
        """Radius of the cavity at each angle, 0 above its top; (BINS,)."""
        height = self.own_height(z)
        return self._base_contour(height) * _vault(height, self.top)

    def outer(self, z: float) -> Array:
        """Radius of the skull's outer surface; (BINS,)."""
        height = self.own_height(z)
        grown = self._base_contour(height) + self.thickness
        return grown * _vault(height, self.top + 1.15 * float(self.thickness.mean()))

    def _base_contour(self, height: Array) -> Array:
        wide = self.half_width * (1 + 0.075 * SIN - 0.02 * SIN**2)
        long = np.where(SIN < 0, self.front, self.back)
        contour = (np.abs(COS / wide) ** 2.25 + np.abs(SIN / long) ** 2.25) ** np.float32(-1 / 2.25)
        low = np.clip((48 - height) / 30, 0, 1)
        for side in (np.deg2rad(-47), np.deg2rad(-133)):  # behind the orbit the temporal fossa is pressed in
            contour = contour - 4.5 * low * bump(float(side), 0.22)
        below = np.clip(WIDEST - height, 0, None)
        contour = contour * (1 - np.clip(SIN, 0, 1) * (below / 88) ** 2) * (1 - 0.05 * (below / 40) ** 2)
        return np.asarray(contour + self.harmonics, np.float32)


def _vault(height: Array | np.float32, top: float) -> Array:
    up = np.clip((height - WIDEST) / (top - WIDEST), 0, 1)
    return np.asarray(np.sqrt(1 - up**2.35), np.float32)


def random_skull(rng: np.random.Generator, scale: float) -> Skull:
    """A skull of ordinary proportions: 135 to 155 mm wide, 170 to 190 mm long at scale 1."""
    harmonics = np.zeros(BINS, np.float32)
    for order, size in ((1, 0.7), (2, 0.9), (3, 0.8), (4, 0.45), (5, 0.3), (7, 0.2), (9, 0.15)):
        harmonics += size * rng.normal() * np.cos(order * THETA + rng.uniform(0, 2 * np.pi)).astype(np.float32)
    thickness = 6.0 + 1.8 * bump(np.pi / 2, 0.45) + 1.0 * bump(-np.pi / 2, 0.35)
    thickness = thickness - 1.6 * (bump(0.0, 0.4) + bump(np.pi, 0.4))
    return Skull(
        half_width=scale * rng.normal(66.5, 2.0),
        front=scale * rng.normal(80, 1.5),
        back=scale * rng.normal(83, 2.0),
        harmonics=harmonics * np.float32(scale),
        thickness=(thickness * rng.uniform(0.85, 1.3)).astype(np.float32),
        top=scale * rng.normal(TOP_INNER, 2.5),
        roll=rng.normal(0, 0.025),
        pitch=rng.normal(0, 0.03),
    )


@dataclass(frozen=True)
class Floor:
    """The skull base at each pixel; (rows, columns), mm. The cavity begins at `height`, bone of `bone` mm is below."""

    height: Array
    bone: Array
    slope: Array  # factor from a vertical distance to the distance to the surface


def skull_base(rng: np.random.Generator, grid: Grid, skull: Skull) -> Floor:
    """Anterior fossa over the orbits, sella and clivus, middle fossae, petrous ridges, posterior fossa."""
    x, y = grid.x, grid.y
    rough = random_waves(rng, 17.0, 8, 0.4)
    side = np.abs(x - np.float32(rng.normal(0, 0.7))) * np.float32(66 / skull.half_width)
    ridge_edge = -27 - 0.0095 * np.clip(side - 8, 0, None) ** 2  # where the lesser wing ends, over x
    roof = 8 * np.exp(-(((side - 30) / 13) ** 2)) * np.exp(-(((y + 56) / 17) ** 2))  # of the orbits, domed
    anterior = 14 + roof - 7 * np.exp(-((side / 7) ** 2)) + 0.02 * np.clip(-62 - y, 0, None) ** 2
    anterior = anterior - 1.6 * np.clip(y - ridge_edge, 0, None)  # falls off behind the wing
    middle = -11 + 0.020 * (side - 41) ** 2 + 0.011 * (y + 17) ** 2
    sella = 9 - 0.75 * np.clip(side - 11, 0, None) - 0.8 * np.clip(-24 - y, 0, None)
    sella = sella + 8 * np.exp(-(((y + 5) / 2.6) ** 2)) * np.exp(-((side / 11) ** 4))  # dorsum sellae
    sella = sella - 2.1 * np.clip(y + 2, 0, None)  # clivus
    petrous = _petrous(side, y)
    posterior = -36 + 0.010 * (side**2 + 0.7 * (y - 36) ** 2)
    bowls = -_smooth_max([-middle, -posterior, np.full_like(middle, -8)])
    height = _smooth_max([anterior, bowls, sella, petrous])
    bone = 3.0 + 8 * np.exp(-(((side - 10) / 14) ** 2)) * np.exp(-(((y + 8) / 22) ** 2))
    bone = bone + 26 * np.clip(1.2 - np.abs(y - 0.55 * side + 10) / 17, 0, 1) + 4 * (y > 20)
    height = height + 0.8 * rough.at(x, y, 0) - skull.roll * x - skull.pitch * y
    steep_y, steep_x = np.gradient(height, grid.spacing)
    slope = 1 / np.sqrt(1 + steep_x**2 + steep_y**2)
    return Floor(height.astype(np.float32), bone.astype(np.float32), slope.astype(np.float32))


def _petrous(side: Array, y: Array) -> Array:
    """The pyramid: its crest runs from beside the clivus out and back to the sigmoid sinus."""
    along = np.clip((side - 13) / 47, 0, 1)
    crest = -3 + 29 * along  # y of the crest over x
    behind = y - crest
    roof = 9 + 6 * along - 5 * np.clip(along - 0.75, 0, 1)
    height = roof - np.where(behind > 0, 2.6 * behind, -0.95 * behind) - 1.5 * np.clip(11 - side, 0, None)
    return np.asarray(height, np.float32)


def _smooth_max(parts: list[Array]) -> Array:
    top = np.maximum.reduce(parts)
    return np.asarray(top + SMOOTH * np.log(sum(np.exp((part - top) / SMOOTH) for part in parts)), np.float32)
