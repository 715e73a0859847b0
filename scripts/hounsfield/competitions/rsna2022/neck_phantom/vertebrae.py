"""The vertebrae's shapes, each in its own frame: atlas, axis, the five below, and the first thoracic ones.

A frame's origin is the middle of the body, of the atlas that of its ring; lengths are those of an adult of usual size,
mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hounsfield.core.phantom_kit.grid import Array

from .solids import Points, capsule, ellipsoid, join, overlap, ring, rounded

DENS_TOP = 24.0  # above the middle of the axis' body
ATLAS_OVER_AXIS = (0.0, 5.6, 17.0)  # the middle of the atlas' ring in the axis' frame
ARCH_FRONT = -15.0  # v of the front arch of the atlas, in its frame


@dataclass(frozen=True)
class Shape:
    """The measures in which the vertebrae from C2 down differ."""

    half_width: float  # of the body
    half_depth: float
    half_height: float
    lip: float  # height of the uncinate processes
    pillar: float  # from the midline to the middle of the articular pillar
    pillar_half_height: float
    foramen: float  # radius of the transverse foramen; 0: there is none
    transverse: float  # from the midline to the tip of the transverse process
    spinous: tuple[float, float]  # v and w of the tip of the spinous process
    bifid: bool


SHAPES = {
    "C2": Shape(9.0, 8.0, 9.0, 0.0, 14.5, 7.0, 2.9, 22.0, (41.0, -9.0), True),
    "C3": Shape(8.6, 7.6, 6.2, 3.4, 14.6, 7.4, 3.0, 24.0, (40.0, -8.0), True),
    "C4": Shape(8.9, 7.8, 6.2, 3.8, 15.0, 7.4, 3.1, 25.0, (41.0, -8.0), True),
    "C5": Shape(9.4, 8.0, 6.2, 4.0, 15.4, 7.4, 3.1, 26.0, (43.0, -9.0), True),
    "C6": Shape(10.2, 8.2, 6.4, 3.8, 16.0, 7.5, 3.0, 27.0, (48.0, -10.0), True),
    "C7": Shape(11.2, 8.4, 6.9, 3.0, 16.4, 7.8, 1.9, 31.0, (55.0, -11.0), False),
    "T1": Shape(13.6, 8.6, 7.8, 2.0, 15.6, 8.2, 0.0, 36.0, (56.0, -16.0), False),
    "T2": Shape(13.8, 9.0, 8.4, 0.0, 14.0, 8.6, 0.0, 34.0, (54.0, -22.0), False),
    "T3": Shape(13.6, 9.4, 8.8, 0.0, 13.0, 8.8, 0.0, 32.0, (52.0, -26.0), False),
}
PILLAR_DEPTH = 14.0  # v of the middle of the articular pillars
LAMINA_DEPTH = 27.0  # v at which the laminae meet
CANAL_DEPTH = 16.5  # v of the middle of the spinal canal
FORAMEN_DEPTH = 2.2  # v of the middle of the transverse foramen


def foramen_place(name: str) -> tuple[float, float]:
    """Where the vertebral artery runs: u (left) and v in the vertebra's frame."""
    if name == "C1":
        return 26.0, -1.5
    if name == "C2":
        return 15.0, 4.0
    return SHAPES[name].half_width + 5.0, FORAMEN_DEPTH


def reach(name: str) -> tuple[float, float]:
    """How far a vertebra reaches below and above its middle along its axis, mm."""
    if name == "C1":
        return -11.0, 11.0
    shape = SHAPES[name]
    return min(shape.spinous[1] - 6.0, -shape.half_height - 6), DENS_TOP + 3 if name == "C2" else 15.0


def distance(name: str, p: Points) -> Array:
    """Distance from the surface of a vertebra at points of its frame, negative inside; mm."""
    both = p.mirrored()
    if name == "C1":
        return _atlas(both)
    if name == "C2":
        return _axis(both)
    shape = SHAPES[name]
    arch = join(_body(both, shape), _arch(both, shape))
    return np.minimum(arch, _transverse(both, shape) if shape.foramen else _thoracic_transverse(both, shape))


def _body(p: Points, shape: Shape) -> Array:
    a, b, h = shape.half_width, shape.half_depth, shape.half_height
    across = p.u * np.float32(1 / a)
    waist = np.float32(0.91) + np.float32(0.09 / h**2) * np.minimum(p.w * p.w, np.float32(h * h))
    inside = (rounded(across, p.v * np.float32(1 / b), 1.2) - waist) * np.float32(b)
    inside = overlap(inside, p.v - np.float32(0.80 * b) - p.u * p.u * np.float32(0.10 / a), 2.0)  # the back is hollow
    edge = np.clip(across * 2 - 1, 0, 1.2) ** 2
    top = np.float32(h) + np.float32(shape.lip) * edge - np.float32(0.6) * (1 - edge)
    # the lower plate reaches down in front, and makes room for the lips of the vertebra below
    bottom = np.float32(-h) + np.float32(0.7 * shape.lip) * edge + np.float32(1.1 / b) * p.v
    return overlap(inside, np.maximum(p.w - top, bottom - p.w), 1.2)


def _arch(p: Points, shape: Shape) -> Array:
    """Pedicles, articular pillars, laminae, spinous process."""
    a, b = shape.half_width, shape.half_depth
    pedicle = capsule(p, (0.75 * a, 0.6 * b, 1.0), (shape.pillar - 1, PILLAR_DEPTH - 3, 0.5), 2.5, 1.3)
    found = join(pedicle, _pillar(p, shape.pillar, shape.pillar_half_height, 0.0))
    lamina = capsule(p, (shape.pillar - 2, PILLAR_DEPTH + 4.5, 0), (0, LAMINA_DEPTH, -3), 1.9, 2.9)
    return join(join(found, lamina), _spinous(p, shape), 2.0)


def _pillar(p: Points, u: float, half_height: float, middle: float) -> Array:
    """A column whose upper and lower faces, the facets, fall to the back."""
    du, dv = p.u - np.float32(u), p.v - np.float32(PILLAR_DEPTH)
    inside = (rounded(du * np.float32(1 / 5.6), dv * np.float32(1 / 5.6)) - 1) * np.float32(5.6)
    along = p.w - np.float32(middle) + np.float32(0.7) * dv
    return overlap(inside, np.abs(along) - np.float32(half_height), 0.8)


def _spinous(p: Points, shape: Shape) -> Array:
    v, w = shape.spinous
    process = capsule(p, (0, LAMINA_DEPTH - 0.5, -3), (0, v - 2, w + 1), 1.8, 2.4)
    tip = capsule(p, (0.6, v - 3, w), (3.6, v + 2, w - 1), 1.8) if shape.bifid else ellipsoid(p, (0, v, w), (3, 4, 5))
    return join(process, tip)


def _transverse(p: Points, shape: Shape) -> Array:
    """The ring around the foramen, with a tubercle in front and one behind."""
    fu, fv = shape.half_width + 5.0, FORAMEN_DEPTH
    du, dv = p.u - np.float32(fu), p.v - np.float32(fv)
    from_hole = np.sqrt(du * du + dv * dv)
    bar = overlap(from_hole - np.float32(shape.foramen + 1.7), np.abs(p.w + 0.15 * du) - np.float32(3.0))
    tip = shape.transverse
    front = capsule(p, (fu - 1, fv - 4.2, 0), (max(fu + 1, tip - 3.5), fv - 3.2, -2.5), 1.7, 1.3)
    behind = capsule(p, (fu, fv + 5, 0), (tip, fv + 5.5, -3.5), 2.1, 1.3)
    return np.maximum(join(bar, join(front, behind)), np.float32(shape.foramen) - from_hole)


def _thoracic_transverse(p: Points, shape: Shape) -> Array:
    return capsule(p, (13, PILLAR_DEPTH + 1, 1), (shape.transverse, PILLAR_DEPTH + 7, 4), 3.6, 1.2)


def _axis(p: Points) -> Array:
    shape = SHAPES["C2"]
    dens = capsule(p, (0, -0.6, 4), (0, 0.6, DENS_TOP - 5), 4.9)
    dens = dens + np.float32(0.6) * np.exp(-((p.w - np.float32(11)) ** 2) * np.float32(1 / 8))  # its waist
    shoulders = ellipsoid(p, (10.0, 1.0, 3.5), (8.2, 8.0, 6.5))  # carry the atlas
    shoulders = overlap(shoulders, p.w - np.float32(10.2) + np.float32(0.35) * p.u - 1, 0.8)
    found = join(join(_body(p, shape), dens, 2.5), shoulders, 2.0)
    pars = capsule(p, (11, 5, 0), (shape.pillar, PILLAR_DEPTH, -5), 3.6, 1.3)
    found = join(found, join(pars, _pillar(p, shape.pillar, 5.5, -6.5)))
    lamina = capsule(p, (shape.pillar - 2, PILLAR_DEPTH + 4, -4), (0, LAMINA_DEPTH + 1, -5), 2.6, 2.6)
    found = join(join(found, lamina), _spinous(p, shape), 2.5)
    fu, fv = foramen_place("C2")
    hole = np.sqrt((p.u - np.float32(fu)) ** 2 + (p.v - np.float32(fv)) ** 2)
    transverse = join(capsule(p, (fu, fv + 3, -3), (shape.transverse, fv + 3.5, -6), 2.4),
                      overlap(hole - np.float32(shape.foramen + 1.6), np.abs(p.w + 3) - np.float32(3)))  # fmt: skip
    return np.maximum(np.minimum(found, transverse), np.float32(shape.foramen) - hole)


def _atlas(p: Points) -> Array:
    mass = ellipsoid(p, (16.8, -4.0, 0.5), (8.0, 9.5, 11.0))
    slope = np.float32(0.35) * (p.u - np.float32(16.8))
    mass = overlap(mass, np.abs(p.w - np.float32(0.8) + slope * np.sign(p.w)) - np.float32(6.6), 1.2)
    front = ring(p.u, p.v + 4, (17.0, -4 - ARCH_FRONT))
    thick = np.float32(2.3) + np.float32(1.1) * np.exp(-p.u * p.u * np.float32(1 / 20))  # the front tubercle
    front = overlap(np.abs(front) - thick, np.maximum(np.abs(p.w) - np.float32(4.6), p.v + np.float32(4)))
    behind = ring(p.u, p.v + 4, (18.5, 27.5))
    thick = np.float32(2.0) + np.float32(1.4) * np.exp(-p.u * p.u * np.float32(1 / 14))
    behind = overlap(np.abs(behind) - thick, np.maximum(np.abs(p.w) - np.float32(4.2), -p.v))
    fu, fv = foramen_place("C1")
    hole = np.sqrt((p.u - np.float32(fu)) ** 2 + (p.v - np.float32(fv)) ** 2)
    transverse = overlap(hole - np.float32(5.6), np.abs(p.w) - np.float32(3.6))
    transverse = join(transverse, capsule(p, (fu + 5, fv, 0), (37.5, fv + 3, -0.5), 2.8, 1.3))
    found = join(join(mass, front, 2.0), join(behind, transverse))
    return np.maximum(found, np.float32(3.1) - hole)
