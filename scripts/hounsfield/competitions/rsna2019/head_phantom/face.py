"""What lies outside the cavity: scalp, bone, orbits, air sinuses, mastoid cells, and the head-rest below the head."""

from __future__ import annotations

import numpy as np

from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.painting import Canvas, blend, ramp

from .head import BASE_TOP, Frame, Vault

AIR, FAT, SKIN, MUSCLE = -1000.0, -95.0, 25.0, 56.0  # HU
DIPLOE, TABLE = 650.0, 1450.0


def draw_outside(frame: Frame, vault: Vault) -> Array:
    """Air, scalp and bone of one slice, HU. The cavity is filled with bone; the brain is put there later."""
    image = np.full(frame.grid.shape, AIR, np.float32)
    _scalp(frame, vault, image)
    low = vault.z < BASE_TOP
    bone = _bone(frame, vault)
    wall = vault.skull_share
    if low:
        solid = ramp(vault.floor_distance + frame.floor.bone, 1.2)
        from_outer = vault.outer[frame.angle] - frame.radius
        shell = ramp((vault.outer - vault.inner)[frame.angle] - from_outer, 1.0)
        face = np.clip(1 - np.maximum(solid, shell), 0, 1)
        blend(image, _deep_tissue(frame, vault), wall)
        wall = wall * (1 - face)
    blend(image, bone, wall)
    if low:
        _orbits(frame, vault, image)
        _sinuses(frame, vault, image)
    return image


def _scalp(frame: Frame, vault: Vault, image: Array) -> None:
    scalp = frame.head.scalp[frame.angle]
    blend(image, FAT, vault.head_share)
    blend(image, MUSCLE, ramp(vault.from_skin - scalp - 0.5, 1.2) * vault.head_share)
    skin = ramp(vault.from_skin, 0.6) * ramp(1.9 - vault.from_skin, 0.8)
    blend(image, SKIN, skin)


def _bone(frame: Frame, vault: Vault) -> Array:
    """Dense tables outside and inside, marrow between them."""
    outer = np.abs(vault.outer[frame.angle] - frame.radius - 0.8)
    nearest = np.minimum(outer, np.abs(vault.depth + 0.8))
    return np.asarray(DIPLOE + (TABLE - DIPLOE) * np.exp(-((nearest / 1.3) ** 2)), np.float32)


def _fine(frame: Frame, z: float, stretch: float = 1.0) -> Array:
    """Fine unevenness, mean 0 and standard deviation 1, on the full grid."""
    x, y = frame.grid.coarse
    return frame.grid.refine(frame.head.fine.at(x * stretch, y * stretch, z))


def _deep_tissue(frame: Frame, vault: Vault) -> Array:
    """Muscle with streaks of fat below the skull base."""
    return np.asarray(MUSCLE - 110 * ramp(0.22 - np.abs(_fine(frame, vault.z, 0.35)), 0.4), np.float32)


def _orbits(frame: Frame, vault: Vault, image: Array) -> None:
    """Fat cones with globe, optic nerve and straight muscles; thin bony walls."""
    scale, z = frame.head.scale, vault.z / frame.head.scale
    rows = frame.rows(-200, -28 * scale)
    x, y = frame.grid.x[rows] / np.float32(scale), frame.grid.y[rows] / np.float32(scale)
    side, part = np.abs(x), image[rows]
    along = np.clip((-33 - y) / 45, 0, 1.3)
    radius = 5 + 13 * np.minimum(along, 1) ** np.float32(0.75)
    aside = side - (11.5 + 20 * along)
    ratio = np.sqrt(aside**2 + (z + 1) ** 2) / radius
    inside = ramp((1 - ratio) * radius, 1.0) * ramp(-33 - y, 1.5) * vault.head_share[rows]
    if not inside.any():
        return
    wall = ramp((1.22 - ratio) * radius, 1.0) * ramp(-31 - y, 1.5) * vault.skull_share[rows] * ramp(y + 74, 3)
    blend(part, 700.0, wall * ramp(radius * ratio - radius + 0.8, 0.8))
    blend(part, FAT, inside * ramp(vault.from_skin[rows] - 2.0, 1.0))
    if abs(z + 1) < 5:
        muscles = ramp(1.9 - np.abs(np.abs(aside) - 0.72 * radius), 1.0)
        nerve = ramp(2.2 - np.abs(aside + 1.5 * np.sin(along * 3)), 1.0) * (abs(z + 1) < 3.5)
        blend(part, 42.0, inside * ramp(y + 66, 4) * np.maximum(muscles, nerve))
    _globe(part, side, y, z)


def _globe(part: Array, side: Array, y: Array, z: float) -> None:
    """Sclera, vitreous body and lens of both eyes."""
    height = z + 1
    if abs(height) > 12:
        return
    away = np.sqrt((side - 32) ** 2 + (y + 69) ** 2 + height**2)
    blend(part, 48.0, ramp(12.3 - away, 1.0))
    blend(part, 10.0, ramp(10.8 - away, 1.0))
    if abs(height) < 4:
        lens = np.sqrt(((side - 32) / 4.2) ** 2 + ((y + 77.5) / 1.9) ** 2 + (height / 4.2) ** 2)
        blend(part, 75.0, ramp((1 - lens) * 2, 0.8))


def _sinuses(frame: Frame, vault: Vault, image: Array) -> None:
    """Air: ethmoid cells between the orbits, sphenoid sinus below the sella, frontal sinus, mastoid cells."""
    scale, z = frame.head.scale, vault.z / frame.head.scale
    cells = _fine(frame, vault.z)
    rows = frame.rows(-200, -2 * scale)
    x, y = frame.grid.x[rows] / np.float32(scale), frame.grid.y[rows] / np.float32(scale)
    side, part = np.abs(x), image[rows]
    below = ramp(-vault.floor_distance[rows] - 2.2, 1.0) * vault.skull_share[rows]
    if z < 14:
        ethmoid = ramp(14.5 + 0.06 * y - side, 1.0) * ramp(-31 - y, 1.0) * ramp(y + 80, 1.0) * below
        septa = ramp(0.2 - np.abs(cells[rows]), 0.3) + ramp(0.9 - side, 0.7)
        blend(part, -900.0, ethmoid)
        blend(part, 260.0, ethmoid * np.minimum(septa, 1))
    if abs(z + 2) < 10:
        sphenoid = 1 - (side / 13.5) ** 4 - ((y + 19) / 11) ** 4 - ((z + 2) / 9.5) ** 4
        blend(part, -950.0, ramp(sphenoid * 6, 1.0) * below * ramp(np.abs(x - 3 + 0.1 * y) - 0.7, 0.6))
    if 8 < z < 30:
        wide = np.float32(17 + 4 * np.sin(frame.head.phase))
        frontal = 1 - (x / wide) ** 2 - ((z - 19) / 10) ** 2
        from_outer = vault.outer[frame.angle[rows]] - frame.radius[rows]
        between = np.minimum(from_outer - 1.8, -vault.depth[rows] - 1.4)
        front = (y < -50) & (from_outer < 11)
        blend(part, -900.0, ramp(frontal * 4, 1.0) * ramp(between, 1.0) * front)
    if abs(z - 1) < 16:
        _mastoids(frame, vault, image, cells)


def _mastoids(frame: Frame, vault: Vault, image: Array, cells: Array) -> None:
    scale, z = frame.head.scale, vault.z / frame.head.scale
    rows = frame.rows(14 * scale, 44 * scale)
    side, y = np.abs(frame.grid.x[rows]) / np.float32(scale), frame.grid.y[rows] / np.float32(scale)
    mastoid = 1 - ((side - 57) / 10) ** 2 - ((y - 29) / 13) ** 2 - ((z - 1) / 16) ** 2
    bone = ramp(-vault.depth[rows] - 1.5, 1.0) * vault.skull_share[rows]
    blend(image[rows], -800.0, ramp(mastoid * 4, 1.5) * ramp(cells[rows] - 0.15, 0.3) * bone)


def draw_head_rest(grid: Grid, offset: tuple[float, float]) -> Array:
    """A thin shell of plastic around the back of the head, for the whole image; HU above air, (size, size)."""
    size = grid.size
    image = np.empty((size, size), np.float32)
    middle = (size - 1) / 2
    to_pixel = np.array([[1, 0, offset[0]], [0, 1, offset[1]]]) / grid.spacing + [[0, 0, middle], [0, 0, middle]]
    canvas = Canvas(Grid(size, 0, 0, grid.spacing, to_pixel, image, image))
    turn = np.deg2rad(np.linspace(22, 158, 90))
    ring = np.stack([116 * np.cos(turn), 108 * np.sin(turn) - 4], axis=1)
    canvas.line(ring, 2.2)
    canvas.line(ring + np.array([0, 7]), 1.2, value=90)
    return np.float32(1130) * canvas.coverage(0.5)
