"""The markings of the lungs: vessels that branch and thin out from the hila, and the finest ones as texture."""

from __future__ import annotations

import numpy as np

from hounsfield.core.phantoms.grid import Array, Grid
from hounsfield.core.phantoms.painting import Canvas
from hounsfield.core.phantoms.waves import random_waves

from .thorax import SIDES

THINNEST = 0.35  # mm, radius
DENSITY = 0.021  # of soft tissue, per mm


def draw_markings(rng: np.random.Generator, grid: Grid, lungs: Array, shift: float) -> Array:
    """The density of vessels and texture. lungs: 0..1, how thick they are. shift: of the hila, mm to the left."""
    large, small = Canvas(grid), Canvas(grid)
    for sign in SIDES.values():
        hilum = np.array([sign * 31.0 + shift, -14.0 - 8 * sign])
        for angle in np.linspace(-1.45, 1.5, 11) + rng.normal(0, 0.08, 11):
            heading = angle if sign > 0 else np.pi - angle
            _branch(rng, (large, small), hilum + rng.normal(0, 5, 2), heading, rng.uniform(2.4, 4.4), 0)
    vessels = large.coverage(0.7) * np.float32(9.0 * DENSITY) + small.coverage(0.5) * np.float32(3.0 * DENSITY)
    vessels *= np.minimum(1, lungs * np.float32(2.2))
    texture = sum(
        (random_waves(rng, wavelength, 14, 0.4).at(grid.x, grid.y, 0.0) * np.float32(amplitude)
         for wavelength, amplitude in ((3.6, 0.010), (7.0, 0.014), (15.0, 0.018))),
        np.zeros(grid.shape, np.float32),
    )  # fmt: skip
    return np.asarray(vessels + texture * lungs, np.float32)


def _branch(
    rng: np.random.Generator,
    canvases: tuple[Canvas, Canvas],
    start: np.ndarray,
    heading: float,
    radius: float,
    depth: int,
) -> None:
    """A vessel that wanders, tapers and divides until it is too thin to be seen."""
    length = rng.uniform(9, 17) * (radius / 3 + 0.65)
    steps = 5
    points, radii = [start], [radius]
    for _ in range(steps):
        heading += rng.normal(0, 0.10)
        points.append(points[-1] + length / steps * np.array([np.cos(heading), np.sin(heading)]))
        radii.append(radii[-1] * 0.968)
    for a in range(steps):
        canvas = canvases[0] if radii[a] > 1.1 else canvases[1]
        most = 4.5 if radii[a] > 1.1 else 1.5
        canvas.line(np.array(points[a : a + 2]), 2 * radii[a], int(min(255, 70 + 185 * radii[a] / most)))
    if radii[-1] < THINNEST or depth > 9:
        return
    spread = rng.uniform(0.28, 0.62)
    thinner = rng.uniform(0.55, 0.78)
    _branch(rng, canvases, points[-1], heading + spread * rng.choice([-1, 1]) * 0.35, radii[-1] * 0.9, depth + 1)
    _branch(rng, canvases, points[-1], heading + spread * rng.choice([-1, 1]), radii[-1] * thinner, depth + 1)
