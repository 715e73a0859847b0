"""The markings of the lungs: vessels that branch and thin out from the hila, and the finest ones as texture.

V vessels of one generation, S points along each.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.painting import Canvas
from hounsfield.core.phantom_kit.waves import random_waves

from .thorax import SIDES, Points

THINNEST = 0.36  # mm, radius
GENERATIONS = 8
STEPS = 5  # in which a vessel wanders
WIDTHS = 14  # that vessels are painted in
DENSITY = 0.021  # of soft tissue, per mm


def draw_markings(rng: np.random.Generator, grid: Grid, lungs: Array, shift: float) -> Array:
    """The density of vessels and texture. lungs: 0..1, how thick they are. shift: of the hila, mm to the left."""
    hila = [np.array([sign * 30.0 + shift, -12.0 - 8 * sign]) for sign in SIDES.values()]
    fans = [np.linspace(-1.5, 1.55, 13) + rng.normal(0, 0.1, 13) for _ in hila]
    starts = np.concatenate([hilum + rng.normal(0, 5, (13, 2)) for hilum in hila])
    headings = np.concatenate([np.pi - fans[0], fans[1]])
    paths, radii = _grow(rng, starts, headings, rng.uniform(2.2, 4.6, len(starts)))
    roots = Canvas(grid)
    for hilum in hila:
        roots.discs(hilum + rng.normal(0, 1, (7, 2)) * (5, 11), rng.uniform(5, 9, 7), 160)
    vessels = (_painted(grid, paths, radii) + roots.coverage(4.5) * np.float32(0.24)) * np.minimum(1, lungs * 2)
    texture = sum(
        (random_waves(rng, wavelength, 14, 0.4).at(grid.x, grid.y, 0.0) * np.float32(amplitude)
         for wavelength, amplitude in ((3.6, 0.012), (7.0, 0.016), (15.0, 0.020))),
        np.zeros(grid.shape, np.float32),
    )  # fmt: skip
    return np.asarray(vessels + texture * lungs, np.float32)


def _grow(
    rng: np.random.Generator, starts: Points, headings: NDArray[np.float64], radii: NDArray[np.float64]
) -> tuple[Points, NDArray[np.float64]]:
    """All vessels, generation by generation: their paths, (V, S, 2) mm, and radii, (V,) mm.

    starts: (V, 2), headings: (V,) radians, radii: (V,), of the first. Each wanders, tapers and divides in two, until
    it is too thin to be seen.
    """
    grown, thick = [], []
    for _ in range(GENERATIONS):
        turns = rng.normal(0, 0.11, (len(starts), STEPS)).cumsum(axis=1)
        along = headings[:, None] + turns  # (V, S)
        length = rng.uniform(9, 17, len(starts)) * (radii / 3 + 0.65)
        steps = (length[:, None] / STEPS)[..., None] * np.stack([np.cos(along), np.sin(along)], axis=-1)
        path = np.concatenate([starts[:, None], starts[:, None] + steps.cumsum(axis=1)], axis=1)
        grown.append(path)
        thick.append(radii)
        side = rng.choice([-1.0, 1.0], len(starts))
        spread, thinner = rng.uniform(0.28, 0.66, len(starts)), rng.uniform(0.45, 0.75, len(starts))
        starts = np.concatenate([path[:, -1]] * 2)
        headings = np.concatenate([along[:, -1] + 0.35 * spread * side, along[:, -1] - spread * side])
        radii = np.concatenate([radii * 0.80, radii * thinner * 0.88])
        seen = radii > THINNEST
        starts, headings, radii = starts[seen], headings[seen], radii[seen]
    return np.concatenate(grown), np.concatenate(thick)


def _painted(grid: Grid, paths: Points, radii: NDArray[np.float64]) -> Array:
    """The density of vessels, thick over thin."""
    canvas, thickest = Canvas(grid), float(radii.max())
    edges = np.geomspace(THINNEST, thickest, WIDTHS + 1)
    for low, high in pairwise(edges.tolist()):
        chosen = (radii > low) & (radii <= high)
        radius = float(np.sqrt(low * high))
        width = max(2 * radius, grid.spacing / canvas.scale)
        canvas.lines(paths[chosen], width, round(255 * min(1.0, (radius / thickest) ** 0.8 * 2 * radius / width)))
    return canvas.coverage(0.45) * np.float32(1.7 * DENSITY * 2 * thickest)
