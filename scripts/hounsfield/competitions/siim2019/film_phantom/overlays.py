"""What lies on or in a patient and is no pneumothorax: tubes, leads, skin folds."""

from __future__ import annotations

import numpy as np

from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.painting import Canvas, ramp, smooth_path

from .thorax import SIDES, Outlines, moved


def chest_tube(rng: np.random.Generator, grid: Grid, shape: Outlines, side: str) -> Array:
    """A drain between the ribs towards the apex, with the stripe that shows where it is; density."""
    sign, wall = SIDES[side], shape.walls[side]
    enter = float(rng.uniform(10, 55))
    x = float(np.interp(enter, wall[:, 1], np.abs(wall[:, 0])))
    tip = np.array([rng.uniform(38, 62), rng.uniform(-112, -70)])
    points = np.array([(x + 62, enter + 44), (x + 18, enter + 22), (x - 6, enter - 2), (x - 16, -30), tip])
    return _catheter(grid, smooth_path(points, 60) * (sign, 1), 6.4, 1.7, 0.16, 0.75)


def tracheal_tube(rng: np.random.Generator, grid: Grid) -> Array:
    """A tube down the trachea; density."""
    points = np.array(
        [(rng.normal(0, 2), -230), (rng.normal(0, 1.5), -150), (rng.normal(-2, 1.5), rng.uniform(-92, -66))]
    )
    return _catheter(grid, smooth_path(points, 30), 9.0, 1.4, 0.10, 0.5)


def central_line(rng: np.random.Generator, grid: Grid, side: str) -> Array:
    """A catheter from the neck or below the clavicle to the right atrium; density."""
    sign = SIDES[side]
    points = np.array(
        [(sign * rng.uniform(38, 95), -150), (sign * 26, -112), (-12, -82), (-21, -45), (-24, rng.uniform(-20, 15))]
    )
    return _catheter(grid, smooth_path(points, 50), 2.4, 2.4, 0.0, 0.7)


def leads(rng: np.random.Generator, grid: Grid) -> Array:
    """Electrodes of a monitor and their wires; density."""
    wires, buttons = Canvas(grid), Canvas(grid)
    for place in ((-105, -105), (108, -100), (rng.uniform(70, 120), rng.uniform(60, 110))):
        end = np.array(place) + rng.normal(0, 14, 2)
        buttons.discs(end[None], np.array([5.0]), 150)
        buttons.discs(end[None], np.array([2.6]), 255)
        middle = end * 0.6 + np.array([rng.normal(0, 30), 70])
        wires.line(smooth_path(np.array([end, middle, (rng.normal(30, 50), 240.0)]), 60), 1.6)
    return np.asarray(wires.coverage(0.4) * np.float32(0.55) + buttons.coverage(0.4) * np.float32(1.5), np.float32)


def pacemaker(rng: np.random.Generator, grid: Grid) -> Array:
    """A pacemaker below a clavicle and its lead to the right ventricle; density."""
    sign = 1 if rng.random() < 0.8 else -1
    box, wire = Canvas(grid), Canvas(grid)
    at = np.array([sign * rng.uniform(86, 104), rng.uniform(-88, -70)])
    around = np.linspace(0, 2 * np.pi, 40)
    box.polygon(at + np.column_stack([21 * np.sign(np.cos(around)) * np.abs(np.cos(around)) ** 0.6,
                                      17 * np.sign(np.sin(around)) * np.abs(np.sin(around)) ** 0.7]))  # fmt: skip
    points = np.array([moved(at, 0, -14), (sign * 60, -118), (sign * 14, -92), (-20, -50), (-26, 5), (8, 52), (46, 62)])
    wire.line(smooth_path(points, 80), 2.2)
    return np.asarray(box.coverage(0.5) * np.float32(2.6) + wire.coverage(0.4) * np.float32(1.0), np.float32)


def skin_fold(rng: np.random.Generator, grid: Grid, side: str) -> Array:
    """A fold of skin pressed against the cassette: an edge like the lung's, but it fades inwards, and runs on.

    Vessels are seen on both sides of it, and it ends neither at the apex nor at the chest wall. Density.
    """
    sign = SIDES[side]
    from_top = rng.uniform(-150, -90)
    points = np.array([(rng.uniform(96, 150), from_top), (rng.uniform(74, 96), from_top + 70),
                       (rng.uniform(70, 100), from_top + 140), (rng.uniform(84, 130), from_top + 230)])  # fmt: skip
    path = smooth_path(points, 80)
    edge = np.interp(grid.y, path[:, 1], path[:, 0], left=400, right=400).astype(np.float32)
    inwards = edge - grid.x * np.float32(sign)  # mm
    thick = rng.uniform(12, 30)
    fold = ramp(inwards, max(0.8, grid.spacing)) * np.exp(-np.maximum(inwards, 0) / np.float32(thick))
    ends = ramp(grid.y - np.float32(path[0, 1] + 15), 30) * ramp(np.float32(path[-1, 1] - 20) - grid.y, 40)
    return np.asarray(fold * ends * np.float32(rng.uniform(0.16, 0.3)), np.float32)


def _catheter(grid: Grid, path: np.ndarray, width: float, stripe: float, wall: float, mark: float) -> Array:
    tube, line = Canvas(grid), Canvas(grid)
    tube.line(path, width)
    line.line(moved(path, 0 if stripe == width else width * 0.3, 0), stripe)
    return np.asarray(tube.coverage(0.4) * np.float32(wall) + line.coverage(0.4) * np.float32(mark), np.float32)
