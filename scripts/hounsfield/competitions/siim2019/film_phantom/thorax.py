"""Outlines of body, lungs and heart, and how much of each the X-rays pass."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.painting import Canvas, smooth_path

Points = NDArray[np.float64]  # (n, 2) mm
SIDES = {"right": -1, "left": 1}  # of the patient, by the sign of x

# from the lowest point of the medial border up over the apex and down the chest wall to the costophrenic angle, mm
LUNG = np.array([
    (17, 88), (14, 55), (14, 10), (15, -40), (17, -80), (23, -112), (34, -128), (50, -133), (66, -126), (82, -106),
    (96, -76), (107, -40), (115, 0), (121, 40), (124, 75), (124, 100),
], float)  # fmt: skip
WALL = slice(6, 16)  # the points of LUNG that lie on the chest wall, from the apex down
DOME = np.array(
    [(118, 88), (104, 76), (84, 69), (62, 68), (42, 74), (27, 83)], float
)  # of the diaphragm, lateral to medial
BODY = np.array([
    (40, -230), (41, -178), (48, -166), (80, -156), (118, -146), (158, -132), (186, -108), (204, -60), (212, 0),
    (208, 40), (186, 56), (172, 48), (164, 30), (160, 60), (158, 120), (156, 240),
], float)  # fmt: skip


@dataclass(frozen=True)
class Thorax:
    """One patient's measures."""

    width: float  # of the whole chest, of its usual width
    height: float  # of the lungs, of their usual height
    depth: float  # mm, front to back in the middle
    narrow: float  # of the apices, of their usual width
    heart: float  # of the usual size
    fat: float  # mm of soft tissue round the cage, beside the usual
    breasts: float  # 0 for none
    arms: float  # mm that they are held out
    bends: tuple[float, ...]  # of the diaphragm's points, mm


@dataclass(frozen=True)
class Outlines:
    """The outlines of one film, by side of the patient where there are two; breath and posture are in them."""

    lungs: dict[str, Points]
    walls: dict[str, Points]  # the parts of the lungs' outlines along the chest wall, from the apex down
    body: Points
    heart: Points


def random_thorax(rng: np.random.Generator) -> Thorax:
    """A patient."""
    female = rng.random() < 0.45
    return Thorax(
        width=float(np.clip(rng.normal(0.95 if female else 1.02, 0.05), 0.83, 1.14)),
        height=float(np.clip(rng.normal(0.95 if female else 1.02, 0.06), 0.8, 1.15)),
        depth=float(np.clip(rng.normal(215, 25), 160, 290)),
        narrow=float(rng.uniform(0.9, 1.06)),
        heart=float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3)),
        fat=float(np.clip(rng.normal(4, 8), -8, 26)),
        breasts=float(rng.uniform(0.4, 1.1)) if female else 0.0,
        arms=float(rng.uniform(-6, 22)),
        bends=tuple(rng.normal(0, 2.2, len(DOME)).tolist()),
    )


def outlines(thorax: Thorax, breath: float, shift: float) -> Outlines:
    """The outlines of one film. breath: -1 (out) to 1 (in). shift: of heart and mediastinum, mm to the left."""
    scale = np.array([thorax.width, thorax.height * (1 + 0.05 * breath)])
    lungs, walls = {}, {}
    for side, sign in SIDES.items():
        points = LUNG.copy()
        points[4:9, 0] *= thorax.narrow
        dome = DOME + np.column_stack([np.zeros(len(DOME)), np.roll(thorax.bends, 3 * sign)])
        dome[:, 1] -= 13 * (sign < 0)  # the liver lifts the right one
        points[0, 1] -= 10 * (sign < 0)
        whole = np.concatenate(
            [smooth_path(points, 120), smooth_path(np.concatenate([points[-1:], dome, points[:1]]), 60)]
        )
        wall = smooth_path(points[WALL], 90)
        lungs[side], walls[side] = ((path * scale) * (sign, 1) for path in (whole, wall))
    body = BODY.copy()
    body[4:, 0] += thorax.fat + np.where(np.arange(len(body) - 4) < 8, thorax.arms, 0)
    body = body * (thorax.width, 1.0)
    side_path = smooth_path(body, 160)
    return Outlines(lungs, walls, np.concatenate([side_path, side_path[::-1] * (-1, 1)]), _heart(thorax, breath, shift))


def _heart(thorax: Thorax, breath: float, shift: float) -> Points:
    """The heart and the great vessels above it, as one outline."""
    right = np.array([(-17, -125), (-19, -90), (-22, -60), (-23, -38), (-27, -12), (-36, 15), (-38, 42), (-30, 72)])
    left = np.array([(40, 86), (74, 78), (84, 60), (74, 34), (54, 6), (37, -16), (32, -34), (34, -50), (29, -62),
                     (20, -90), (17, -125)], float)  # fmt: skip
    points = np.concatenate([right, left])
    growth = np.clip((points[:, 1] + 40) / 80, 0, 1) * (thorax.heart * (1 - 0.06 * breath) - 1) + 1
    upper = np.clip((points[:, 1] + 140) / 120, 0, 1)  # the neck's end stays where it is
    points = points * np.column_stack([growth * thorax.width, np.full(len(points), thorax.height)])
    points[:, 0] += shift * upper
    return smooth_path(np.concatenate([points, points[:1]]), 160)


def moved(points: Points, x: float, y: float) -> Points:
    """Points that were given around one place, at another; (n, 2) mm."""
    return points + np.array([x, y])


def inside(grid: Grid, outline: Points, blur: float = 0.6) -> Array:
    """The share of each pixel within an outline, 0..1."""
    canvas = Canvas(grid)
    canvas.polygon(outline)
    return canvas.coverage(blur)


def dome(share: Array, reach: float, spacing: float) -> Array:
    """How thick a rounded body is, as a share of its greatest thickness, 0..1: a quarter circle at its edge.

    share: 0..1, where it is. reach: mm from the edge to where it is thickest.
    """
    distance = cv2.distanceTransform((share > 0.5).astype(np.uint8), cv2.DIST_L2, 5) * np.float32(spacing / reach)
    return np.sqrt(1 - np.square(1 - np.minimum(distance, 1))) * share
