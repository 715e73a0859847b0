"""Ribs, spine, clavicles and scapulae, as they are seen from the front."""

from __future__ import annotations

import numpy as np

from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.painting import Canvas, smooth_path

from .thorax import SIDES, Outlines, Points, moved

RIBS = 10
CORTEX = 1.5  # mm


def draw_bones(rng: np.random.Generator, grid: Grid, shape: Outlines, age: float) -> tuple[Array, Array]:
    """The density of ribs and spine, and that of the bones which the arms hang on. age: 0 to 1."""
    strength = np.float32(1.05 - 0.3 * age)
    behind, before, collars = (Tubes(grid) for _ in range(3))  # the ribs' halves, so that the crossing ones add up
    for side, sign in SIDES.items():
        wall = shape.walls[side]
        tilt = rng.normal(0, 2.5)
        for number in range(RIBS):
            _add_rib(rng, (behind, before), wall, sign, number, tilt)
        _add_clavicle(rng, collars, sign, float(wall[:, 1].min()))
    bones = _spine(rng, grid) + behind.density() + before.density()
    return bones * strength, (_shoulders(rng, grid) + collars.density()) * strength


class Tubes:
    """Hollow bones that do not cross: their walls are denser than what is within."""

    def __init__(self, grid: Grid) -> None:
        self._outer, self._inner = Canvas(grid), Canvas(grid)

    def add(self, path: Points, width: Points, density: Points) -> None:
        """Add one along a path, (n, 2) mm. width (mm) and density, 0 to 1: (n,)."""
        for canvas, thinner in ((self._outer, 0.0), (self._inner, CORTEX)):
            for a in range(0, len(path) - 1, 2):
                value = int(np.clip(density[a], 0, 1) * 255)
                canvas.line(path[a : a + 3], max(0.5, float(width[a]) - 2 * thinner), value)

    def density(self) -> Array:
        """The density of all that were added."""
        outer, inner = self._outer.coverage(0.6), self._inner.coverage(0.7)
        return np.asarray(outer * np.float32(0.52) - inner * np.float32(0.17), np.float32)


def _add_rib(
    rng: np.random.Generator, halves: tuple[Tubes, Tubes], wall: Points, sign: int, number: int, tilt: float
) -> None:
    """One rib: from the spine outwards and down behind, round the side, and inwards and down in front."""
    top, bottom = float(wall[:, 1].min()), float(wall[:, 1].max())
    start = top - 4 + (bottom - top + 18) * (number / (RIBS - 0.2)) ** 0.94 + rng.normal(0, 1.2)
    drop = (22 + 6.5 * number + tilt) * (1 - 0.25 * (number > 7))
    front = np.pi * (0.80 - 0.02 * max(0, number - 5))  # where its cartilage begins, which is not seen
    angle = np.linspace(0.06, front, 44)
    middle = start + drop * 0.45
    out = float(np.interp(middle, wall[:, 1], np.abs(wall[:, 0]))) + 3.0
    if number == 0:  # short, round and steep
        start, out, drop = top + 1, max(0.9 * out, 50.0), 34.0
    x = 11 + (out - 11) * np.sin(np.minimum(angle, np.pi - 0.02)) ** 0.86
    y = start - 9 * np.sin(angle) * np.exp(-angle) * (number > 0) + drop * (1 - np.cos(angle)) / 2
    width = (6.5 + 0.28 * min(number, 7)) * np.interp(angle, [0, 0.6, 2.0, front], [0.85, 1.0, 1.05, 1.35])
    width = width * np.interp(np.abs(angle - np.pi / 2), [0, 0.3], [0.5, 1])  # seen edge-on where it turns
    density = 0.64 * np.interp(angle, [0, 1.6, 1.9, front], [1.0, 1.0, 0.80, 0.60])
    path = np.column_stack([sign * x, y])
    turn = int(np.argmin(np.abs(angle - np.pi / 2)))
    halves[0].add(path[: turn + 1], width[: turn + 1], density[: turn + 1])
    halves[1].add(path[turn + 1 :], width[turn + 1 :], density[turn + 1 :])


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
    return bodies.coverage(1.6) * np.float32(0.42) + plates.coverage(1.1) * np.float32(0.15)


def _add_clavicle(rng: np.random.Generator, collars: Tubes, sign: int, apex: float) -> None:
    medial = apex + 32 + rng.normal(0, 4)
    lift = rng.normal(-24, 6)
    points = np.array([(13, medial), (38, medial - 3), (75, medial + 0.62 * lift), (112, medial + lift),
                       (146, medial + lift - 4)])  # fmt: skip
    width = np.interp(np.linspace(0, 1, 40), [0, 0.12, 0.5, 1], [12.5, 10, 9, 12])
    collars.add(smooth_path(points, 40) * (sign, 1), width, np.full(40, 0.68))


def _shoulders(rng: np.random.Generator, grid: Grid) -> Array:
    """Scapulae and humeri; how far the scapulae are turned out of the lungs varies."""
    blade, edge, arm = Canvas(grid), Canvas(grid), Canvas(grid)
    for sign in SIDES.values():
        out = rng.normal(6, 7)
        points = np.array(
            [(100, -118), (92, -60), (100, -8), (108, 4), (122, -28), (146, -88), (150, -112), (128, -124)]
        )
        shape = smooth_path(moved(np.concatenate([points, points[:1]]), out, 0), 90) * (sign, 1)
        blade.polygon(shape)
        edge.line(shape, 1.8)
        spine_of_it = smooth_path(moved(np.array([(98.0, -92), (122, -112), (156, -132)]), out, 0), 20)
        edge.line(spine_of_it * (sign, 1), 6.0, 150)
        shaft = moved(np.array([(182.0, -98), (196, -50), (204, 0), (206, 44)]), out, 0)
        arm.discs(np.array([(176.0 + out, -106)]) * (sign, 1), np.array([24.0]), 190)
        arm.line(smooth_path(shaft, 20) * (sign, 1), 25, 170)
    soft = blade.coverage(2.0) * np.float32(0.16) + edge.coverage(0.9) * np.float32(0.17)
    return np.asarray(soft + arm.coverage(1.6) * np.float32(0.8), np.float32)
