"""One patient's head: what is drawn once per patient, and what a slice at some height shows of the skull."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.grid import Array, Grid, place_body
from hounsfield.core.phantom_kit.painting import ramp
from hounsfield.core.phantom_kit.waves import Waves, random_waves

from .skull import BINS, COS, SIN, THETA, Floor, Skull, random_skull, skull_base
from .spaces import Spaces, random_spaces

HALF_WIDTH = 95.0  # mm, ears included
FRONT, BACK = -116.0, 108.0  # mm, nose and occiput included
MARGIN = 6.0  # mm kept around the skin
BASE_TOP = 34.0  # mm; slices above it show no skull base


@dataclass(frozen=True)
class Head:
    """A patient. `scale` multiplies lengths; the random fields hold for all slices."""

    scale: float
    skull: Skull
    spaces: Spaces
    sulci: Waves
    broad: Waves  # 60 mm: depth and openness of the sulci, unevenness
    fine: Waves  # 7 mm: air cells, folia
    scalp: Array  # (BINS,) mm
    white: float  # HU
    grey: float
    calcified: tuple[float, float, float]  # radii in mm of pineal, left and right choroid plexus
    phase: float


@dataclass(frozen=True)
class Frame:
    """A head in a grid: fields that do not change from slice to slice."""

    head: Head
    grid: Grid
    floor: Floor
    angle: NDArray[np.int32]  # index into the contours
    radius: Array

    def rows(self, front: float, back: float) -> slice:
        """The rows that hold anything between two y, mm."""
        y = self.grid.y[:, [0, -1]]
        found = np.flatnonzero((y.max(axis=1) > front) & (y.min(axis=1) < back))
        return slice(found[0], found[-1] + 1) if len(found) else slice(0, 0)


@dataclass(frozen=True)
class Vault:
    """What one slice shows of the skull. Lengths in mm, shares 0..1."""

    z: float
    thickness: float
    inner: Array  # (BINS,)
    outer: Array
    head_share: Array  # inside the skin
    skull_share: Array  # inside the outer table
    cavity: Array  # inside the inner table and above the floor
    depth: Array  # from the inner table inwards; negative in bone
    from_skin: Array
    floor_distance: Array  # above the floor, negative below it; large where no base is in the slice

    @property
    def edge(self) -> tuple[float, float]:
        """Y of the cavity on the midline, in front and behind."""
        return -float(self.inner[3 * BINS // 4]), float(self.inner[BINS // 4])


def random_head(rng: np.random.Generator, wide_ventricles: bool = False) -> Head:
    """Draw a patient's anatomy."""
    scale = float(np.clip(rng.normal(1.0, 0.035), 0.92, 1.08))
    thick = rng.uniform(0.8, 1.5)
    scalp = 3.6 + 1.8 * np.clip(SIN, 0, 1) ** 2 + 0.4 * np.cos(3 * THETA + rng.uniform(0, 6))
    return Head(
        scale=scale,
        skull=random_skull(rng, scale),
        spaces=random_spaces(rng, scale, wide_ventricles),
        sulci=random_waves(rng, 17.5 * scale, 26, 0.3),
        broad=random_waves(rng, 58.0, 10, 0.3),
        fine=random_waves(rng, 6.0, 14, 0.35),
        scalp=(scalp * thick).astype(np.float32),
        white=rng.normal(27.5, 1.0),
        grey=rng.normal(36.0, 1.0),
        calcified=(rng.choice([0.0, 1.6, 2.3]), *rng.choice([0.0, 0.0, 1.8, 2.6], 2)),
        phase=rng.uniform(0, 2 * np.pi),
    )


def place_head(size: int, spacing: float, rotation: float, offset: tuple[float, float]) -> Grid:
    """A grid for a head turned by `rotation` (radians) whose centre lies `offset` mm from the image's centre."""
    return place_body(size, spacing, rotation, offset, width=(-HALF_WIDTH, HALF_WIDTH), depth=(FRONT, BACK))


def frame_head(rng: np.random.Generator, head: Head, grid: Grid) -> Frame:
    """Put a head into a grid."""
    angle = np.arctan2(grid.y, grid.x) % np.float32(2 * np.pi)
    index = np.minimum((angle * np.float32(BINS / (2 * np.pi))).astype(np.int32), BINS - 1)
    return Frame(head, grid, skull_base(rng, grid, head.skull), index, np.hypot(grid.x, grid.y))


def crop_to_slice(frame: Frame, z: float) -> Frame:
    """The part of a frame that the head fills at height z."""
    skin = _skin(frame.head, z, frame.head.skull.outer(z)) + MARGIN
    corners = np.stack([skin * COS, skin * SIN], axis=1) @ frame.grid.to_pixel[:, :2].T + frame.grid.to_pixel[:, 2]
    low = np.maximum(corners.min(axis=0), 0).astype(int)
    high = np.ceil(corners.max(axis=0)).astype(int)
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    floor = Floor(frame.floor.height[part], frame.floor.bone[part], frame.floor.slope[part])
    return Frame(frame.head, frame.grid.crop(part), floor, frame.angle[part], frame.radius[part])


def cut_vault(frame: Frame, z: float, thickness: float) -> Vault:
    """Skin, skull and cavity at height z. Oblique surfaces are blurred over the slice's thickness, mm."""
    skull, grid = frame.head.skull, frame.grid
    inner, outer = skull.inner(z), skull.outer(z)
    skin = _skin(frame.head, z, outer)
    rise = (skull.inner(z + 2) - skull.inner(z - 2)) / 4  # mm per mm of height
    flat = 1 / np.sqrt(1 + rise**2)  # from in-plane depth to depth below the surface
    around = np.gradient(inner, 2 * np.pi / BINS) / np.maximum(inner, 5)
    factor = (flat / np.sqrt(1 + around**2)).astype(np.float32)
    soft = np.maximum(grid.spacing, 0.6 * thickness * np.abs(rise)).astype(np.float32)
    in_plane = inner[frame.angle] - frame.radius
    cavity = np.clip(in_plane / soft[frame.angle] + np.float32(0.5), 0, 1)
    depth = in_plane * factor[frame.angle]
    from_skin = skin[frame.angle] - frame.radius
    if z < BASE_TOP:
        above = (np.float32(z) - frame.floor.height) * frame.floor.slope
        cavity = np.minimum(cavity, ramp(above, max(grid.spacing, 1.2)))
        depth = np.minimum(depth, above)
    else:
        above = np.full(grid.shape, 99, np.float32)
    skull_share = ramp(outer[frame.angle] - frame.radius, max(grid.spacing, 0.5))
    head_share = ramp(from_skin, max(grid.spacing, 0.5))
    return Vault(z, thickness, inner, outer, head_share, skull_share, cavity, depth, from_skin, above)


def _skin(head: Head, z: float, outer: Array) -> Array:
    """Radius of the skin at each angle: scalp, temporal muscle, neck muscle, nose."""
    low = float(np.clip((52 - z) / 30, 0, 1))
    temple = np.exp(-(((np.abs(COS) - 0.9) / 0.2) ** 2)) * np.clip(0.8 - 2.2 * SIN, 0, 1)
    neck = np.clip((14 - z) / 14, 0, 1.6) * np.clip(SIN - 0.25, 0, 1)
    nose = np.clip((4 - z) / 8, 0, 1.3) * np.exp(-((COS / 0.11) ** 2)) * (SIN < 0)
    vertex = np.clip(outer / 30, 0, 1)  # above the skull there is only skin
    return np.asarray((outer + head.scalp + 6.5 * low * temple + 11 * neck + 15 * nose) * vertex, np.float32)
