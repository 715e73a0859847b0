"""Ribs, spine, clavicles and scapulae, as they are seen from the front."""

from __future__ import annotations

import numpy as np

from hounsfield.core.phantoms.grid import Array, Grid
from hounsfield.core.phantoms.painting import Canvas, smooth_path

from .thorax import SIDES, Outlines, Points, moved

RIBS = 10
CORTEX = 1.5  # mm


def draw_bones(rng: np.random.Generator, grid: Grid, shape: Outlines, age: float) -> tuple[Array, Array]:
    """The bones' density, and that of the scapulae and humeri alone, which hang on the arms. age: 0 to 1."""
    strength = np.float32(1.05 - 0.3 * age)
    bones = _spine(rng, grid)
    for side, sign in SIDES.items():
        wall = shape.walls[side]
        tilt = rng.normal(0, 2.5)
        for number in range(RIBS):
            bones += _rib(rng, grid, wall, sign, number, tilt)
        bones += _clavicle(rng, grid, sign, float(wall[:, 1].min()))
    hanging = sum((_shoulder(rng, grid, sign) for sign in SIDES.values()), np.zeros(grid.shape, np.float32))
    return bones * strength, hanging * strength


def _tube(grid: Grid, path: Points, width: Points, density: Points) -> Array:
    """A hollow bone along a path: its wall is denser than its inside. path: (n, 2); width (mm), density: (n,)."""
    outer, inner = Canvas(grid), Canvas(grid)
    for canvas, thinner in ((outer, 0.0), (inner, CORTEX)):
        for a in range(len(path) - 1):
            value = int(np.clip(density[a], 0, 1) * 255)
            canvas.line(path[a : a + 2], max(0.5, float(width[a]) - 2 * thinner), value)
    blur = 0.5
    return np.asarray(outer.coverage(blur) * np.float32(0.62) - inner.coverage(blur) * np.float32(0.26), np.float32)


def _rib(rng: np.random.Generator, grid: Grid, wall: Points, sign: int, number: int, tilt: float) -> Array:
    """One rib: from the spine outwards and down behind, round the side, and inwards and down in front."""
    top, bottom = float(wall[:, 1].min()), float(wall[:, 1].max())
    start = top - 4 + (bottom - top + 18) * (number / (RIBS - 0.2)) ** 0.94 + rng.normal(0, 1.2)
    drop = (22 + 6.5 * number + tilt) * (1 - 0.25 * (number > 7))
    front = np.pi * (0.80 - 0.02 * max(0, number - 5))  # where its cartilage begins, which is not seen
    angle = np.linspace(0.06, front, 44)
    middle = start + drop * 0.45
    out = float(np.interp(middle, wall[:, 1], np.abs(wall[:, 0]))) + 3.0
    if number == 0:
        out *= 0.94
    x = 11 + (out - 11) * np.sin(np.minimum(angle, np.pi - 0.02)) ** 0.86
    y = start - 9 * np.sin(angle) * np.exp(-angle) * (number > 0) + drop * (1 - np.cos(angle)) / 2
    width = (6.5 + 0.28 * min(number, 7)) * np.interp(angle, [0, 0.6, 2.0, front], [0.85, 1.0, 1.05, 1.35])
    along_beam = 1 / np.maximum(0.42, np.abs(np.cos(angle)))  # where the rib turns, the beam follows it
    density = 0.40 * along_beam * np.interp(angle, [0, 1.6, 1.9, front], [1.0, 1.0, 0.78, 0.62])
    return _tube(grid, np.column_stack([sign * x, y]), width, density)


def _spine(rng: np.random.Generator, grid: Grid) -> Array:
    """The vertebral bodies, their end plates and pedicles, and the spinous processes, faint behind the heart."""
    bodies, plates = Canvas(grid), Canvas(grid)
    bend = rng.normal(0, 3.5)
    for height in np.arange(-215.0, 190, 22):
        middle = bend * np.sin(height / 75)
        half = 14.5 + (height + 200) / 75
        box = np.array([(-half, -9.2), (half, -9.2), (half - 1.6, 0), (half, 9.2), (-half, 9.2), (-half + 1.6, 0)])
        bodies.polygon(moved(box, middle, height), 150)
        for edge in (-8.6, 8.6):
            plates.line(moved(np.array([(-half, edge), (half, edge)]), middle, height), 1.3, 150)
        for sign in (-1, 1):
            plates.discs(np.array([(middle + sign * (half - 5), height - 2)]), np.array([2.6]), 190)
        plates.line(moved(np.array([(0, 2), (rng.normal(0, 1), 13)]), middle, height), 3.0, 190)
    return bodies.coverage(0.9) * np.float32(0.75) + plates.coverage(0.8) * np.float32(0.4)


def _clavicle(rng: np.random.Generator, grid: Grid, sign: int, apex: float) -> Array:
    medial = apex + 32 + rng.normal(0, 4)
    lift = rng.normal(-24, 6)
    points = np.array([(13, medial), (38, medial - 3), (75, medial + 0.62 * lift), (112, medial + lift),
                       (146, medial + lift - 4)])  # fmt: skip
    path = smooth_path(points, 40)
    width = np.interp(np.linspace(0, 1, 40), [0, 0.12, 0.5, 1], [15, 10.5, 9.5, 12])
    return _tube(grid, path * (sign, 1), width, np.full(40, 0.74))


def _shoulder(rng: np.random.Generator, grid: Grid, sign: int) -> Array:
    """Scapula and the head of the humerus; how far the scapula is turned out of the lung varies."""
    blade, edge, arm = Canvas(grid), Canvas(grid), Canvas(grid)
    out = rng.normal(4, 7)
    points = np.array([(100, -118), (92, -60), (100, -8), (108, 4), (122, -28), (146, -88), (150, -112), (128, -124)])
    shape = smooth_path(moved(np.concatenate([points, points[:1]]), out, 0), 90) * (sign, 1)
    blade.polygon(shape)
    edge.line(shape, 1.6)
    spine_of_it = smooth_path(moved(np.array([(98.0, -92), (122, -112), (156, -132)]), out, 0), 20) * (sign, 1)
    edge.line(spine_of_it, 6.0, 170)
    shaft = moved(np.array([(182.0, -98), (196, -50), (204, 0), (206, 44)]), out, 0)
    arm.discs(np.array([(176.0 + out, -106)]) * (sign, 1), np.array([24.0]), 190)
    arm.line(smooth_path(shaft, 20) * (sign, 1), 25, 170)
    return (blade.coverage(1.2) * np.float32(0.17) + edge.coverage(0.8) * np.float32(0.27) + arm.coverage(1.2)).astype(
        np.float32
    )
