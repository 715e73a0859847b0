"""Fractures: cuts through a vertebra, and how far the piece behind each moved. And what looks like them but is none.

A cut's edges are raw: cancellous bone without the cortex that lines joints, vessels and old fragments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import ramp
from hounsfield.core.phantom_kit.waves import Waves, random_waves

from ..labels import VERTEBRAE
from .solids import Points, Vector, capsule, ellipsoid
from .vertebrae import ARCH_FRONT, LAMINA_DEPTH, PILLAR_DEPTH, SHAPES

# how often each vertebra is fractured in the competition's 961 studies with a fracture
COUNTS = dict(zip(VERTEBRAE, (146, 285, 73, 108, 162, 277, 393), strict=True))
HOW_MANY = (0.62, 0.27, 0.11)  # one, two or three fractured vertebrae
NEIGHBOUR = 2.5  # times as likely beside a fractured one
KINDS = {"C1": {"ring": 0.7, "back arch": 0.3}, "C2": {"dens": 0.55, "hanged": 0.3, "burst": 0.15}}
USUAL_KINDS = {"burst": 0.32, "corner": 0.2, "lamina": 0.16, "pillar": 0.2, "spinous": 0.12}  # of C3 to C7
APOPHYSIS = 0.08  # of the vertebrae from C3 down have an ununited one
BURSTS = 1.5  # from this severity on the body bursts, whatever else breaks
RAW, GAS = 40.0, 500.0  # HU in a gap, and by how much gas lowers it for each degree of severity
MARGIN = 3.0  # mm over which a cut ends within the bone


@dataclass(frozen=True)
class Cut:
    """A plane through a part of a vertebra, in the vertebra's frame; mm."""

    point: Vector
    normal: Vector  # to the piece that moved; of length 1
    reach: float  # from the point
    gap: float
    shift: Vector  # of the piece
    rough: Waves

    def apply(self, p: Points) -> tuple[Points, Array]:
        """Where the bone at these points was before, and how far each is from the gap's middle, mm."""
        du, dv, dw = (one - np.float32(at) for one, at in zip(p, self.point, strict=True))
        near = ramp(np.float32(self.reach - MARGIN / 2) - np.sqrt(du * du + dv * dv + dw * dw), MARGIN)
        nu, nv, nw = (np.float32(one) for one in self.normal)
        beyond = nu * du + nv * dv + nw * dw + np.float32(0.5) * self.rough.at(p.u, p.v, p.w)
        return p.moved(self.shift, near * (beyond > 0)), np.abs(beyond) + np.float32(99) * (1 - near)


@dataclass(frozen=True)
class Fracture:
    """What broke in one vertebra."""

    vertebra: str
    kind: str
    hu: float  # in the gaps
    cuts: tuple[Cut, ...]

    def apply(self, p: Points) -> tuple[Points, Array]:
        """Where the bone at these points was before, and how far each is from a gap, negative in it; mm."""
        gap = np.full(p.u.shape, 99, np.float32)
        for cut in self.cuts:
            p, away = cut.apply(p)
            gap = np.minimum(gap, away - np.float32(cut.gap / 2))
        return p, gap


WHOLE = Fracture("", "", RAW, ())  # of a vertebra that is not fractured


def random_fractures(rng: np.random.Generator, severity: float, pixel: float) -> tuple[Fracture, ...]:
    """One to three fractured vertebrae.

    severity: 1 is usual; above it gaps are as many times as wide and hold gas, and pieces are further apart. pixel: mm;
    no gap is narrower than about one, so that it can be seen.
    """
    chances = np.array([COUNTS[name] for name in VERTEBRAE], float)
    chosen: list[int] = []
    for _ in range(1 + int(rng.choice(3, p=HOW_MANY))):
        found = int(rng.choice(7, p=chances / chances.sum()))
        chosen.append(found)
        chances[max(0, found - 1) : found + 2] *= NEIGHBOUR
        chances[chosen] = 0
    return tuple(_random_fracture(rng, VERTEBRAE[i], severity, pixel) for i in sorted(chosen))


def _random_fracture(rng: np.random.Generator, name: str, severity: float, pixel: float) -> Fracture:
    chances = KINDS.get(name, USUAL_KINDS)
    kind = str(rng.choice(list(chances), p=list(chances.values())))
    cuts = _PLANS[kind](rng, name)
    if severity >= BURSTS and name != "C1" and kind != "burst":
        cuts += _burst(rng, name)
    side = 1.0 if rng.random() < 0.5 else -1.0
    hu = RAW - GAS * max(0.0, severity - 1)
    return Fracture(name, kind, hu, tuple(_as_it_happened(one, side, severity, pixel) for one in cuts))


def _as_it_happened(cut: Cut, side: float, severity: float, pixel: float) -> Cut:
    """The cut on one of the two sides, and as severe as it is to be."""
    point, normal, (u, v, w) = ((one[0] * side, one[1], one[2]) for one in (cut.point, cut.normal, cut.shift))
    apart = (1 + severity) / 2
    shift = (u * apart, v * apart, w * apart)
    return replace(cut, point=point, normal=normal, shift=shift, gap=max(cut.gap * severity, 1.25 * pixel))


def _cut(rng: np.random.Generator, point: Vector, normal: Vector, reach: float, moved: Vector) -> Cut:
    """A cut near a place, turned a little; `moved` times a random share is how far the piece goes, mm."""
    place = np.array(point) + rng.normal(0, 0.7, 3)
    direction = np.array(normal) + rng.normal(0, 0.12, 3)
    direction /= np.linalg.norm(direction)
    shift = np.array(moved) * rng.uniform(0.6, 1.3)
    du, dv, dw = place.tolist(), direction.tolist(), shift.tolist()
    return Cut(
        (du[0], du[1], du[2]), (dv[0], dv[1], dv[2]), reach, float(rng.uniform(1.3, 2.8)), (dw[0], dw[1], dw[2]),
        random_waves(rng, 9.0, 6, 0.5),
    )  # fmt: skip


def _burst(rng: np.random.Generator, name: str) -> list[Cut]:
    """Through the body from end to end, lengthwise and across; a piece goes back into the canal."""
    b = SHAPES[name].half_depth
    lengthwise = _cut(rng, (rng.uniform(-2, 2), -1, 0), (1, rng.uniform(-0.5, 0.5), 0.1), 14, (1.6, 0, 0))
    across = _cut(rng, (0, rng.uniform(0.1, 0.5) * b, 0), (0.15, 1, rng.uniform(-0.3, 0.3)), 11, (0, 3.4, 0))
    return [lengthwise, across] if rng.random() < 0.65 else [across]


def _corner(rng: np.random.Generator, name: str) -> list[Cut]:
    """The lower front corner breaks off and tips forward."""
    shape = SHAPES[name]
    place = (0.0, -0.45 * shape.half_depth, -0.15 * shape.half_height)
    across = _cut(rng, place, (0, -0.85, -0.5), 13, (0, -3.6, -1.6))
    lengthwise = _cut(rng, (rng.uniform(-1.5, 1.5), 1, 0), (1, 0.2, 0), 13, (1.0, 0, 0))
    return [across, lengthwise] if rng.random() < 0.5 else [across]


def _lamina(rng: np.random.Generator, name: str) -> list[Cut]:
    pillar = SHAPES[name].pillar
    first = _cut(rng, (0.5 * pillar, LAMINA_DEPTH - 4, -2), (-0.8, 0.6, 0.1), 9, (0, 3.0, -0.6))
    second = _cut(rng, (-0.6 * pillar, LAMINA_DEPTH - 5, -2), (0.8, 0.6, 0.1), 8, (0, 2.0, -0.6))
    return [first, second] if rng.random() < 0.5 else [first]


def _pillar(rng: np.random.Generator, name: str) -> list[Cut]:
    """Through an articular pillar, upright or across, often on into the foramen."""
    shape = SHAPES[name]
    upright = _cut(rng, (shape.pillar, PILLAR_DEPTH, 0), (0.75, 0.65, 0), 11, (2.4, 2.0, 0))
    pedicle = _cut(rng, (shape.pillar - 4, 8.5, 1), (0.5, 0.85, 0), 7, (0.6, 2.2, 0))
    return [upright, pedicle] if rng.random() < 0.6 else [upright]


def _spinous(rng: np.random.Generator, name: str) -> list[Cut]:
    """The spinous process, torn off and pulled down."""
    v, w = SHAPES[name].spinous
    place = (0.0, LAMINA_DEPTH + 0.4 * (v - LAMINA_DEPTH), 0.5 * (w - 3))
    return [_cut(rng, place, (0, 1, -0.15), 24, (0.6, 2.4, -2.6))]


def _dens(rng: np.random.Generator, name: str) -> list[Cut]:
    """The dens at its base, or with a part of the body, forward or back."""
    height = float(rng.uniform(9.5, 12.5))
    forward = -1.0 if rng.random() < 0.7 else 1.0
    cut = _cut(rng, (0, 0, height), (0, rng.uniform(-0.3, 0.3), 1), 20, (0.8, 3.6 * forward, 1.2))
    split = _cut(rng, (rng.uniform(-2, 2), 0, 2), (1, 0.2, 0.1), 12, (1.8, 0, 0))
    return [cut, split] if rng.random() < 0.5 else [cut]


def _hanged(rng: np.random.Generator, name: str) -> list[Cut]:
    """Both pars of the axis; the arch stays behind."""
    moved = (0.0, float(rng.uniform(2.4, 4.2)), -0.4)
    return [_cut(rng, (side * 12.5, 8.5, -2), (0.1 * side, 0.95, -0.25), 11, moved) for side in (1, -1)]


def _ring(rng: np.random.Generator, name: str) -> list[Cut]:
    """The atlas bursts: its arches in front and behind, the pieces pushed apart."""
    apart = float(rng.uniform(1.6, 2.8))
    front = _cut(rng, (rng.uniform(3, 7), ARCH_FRONT + 0.8, 0), (0.96, -0.1, 0), 6.5, (apart, -0.5, 0))
    behind = _cut(rng, (-rng.uniform(10, 14), 16, 0), (-0.75, -0.6, 0), 7, (-apart, 1.0, 0))
    other = _cut(rng, (rng.uniform(10, 14), 16, 0), (0.75, -0.6, 0), 7, (apart, 1.0, 0))
    return [front, behind, other] if rng.random() < 0.5 else [front, behind]


def _back_arch(rng: np.random.Generator, name: str) -> list[Cut]:
    moved = (0.0, float(rng.uniform(1.6, 3.0)), -1.0)
    return [_cut(rng, (side * 15, 11, 0), (-0.35 * side, 0.9, 0), 7, moved) for side in (1, -1)]


_PLANS: dict[str, Callable[[np.random.Generator, str], list[Cut]]] = {
    "burst": _burst, "corner": _corner, "lamina": _lamina, "pillar": _pillar, "spinous": _spinous, "dens": _dens,
    "hanged": _hanged, "ring": _ring, "back arch": _back_arch,
}  # fmt: skip


def nutrient_canal(name: str, p: Points) -> Array:
    """Distance from the vein's canal at the back of a body, forked as it usually is; mm. A mimic: it is no fracture."""
    b = SHAPES[name].half_depth
    both = p.mirrored()
    return np.minimum(capsule(both, (0, b, 0), (0, 0.25 * b, 0), 0.75), capsule(both, (0, 0.3 * b, 0), (3, -1, 0), 0.5))


def loose_apophysis(name: str, p: Points) -> Array:
    """Distance from the surface of a round, smooth ossicle before the lower front edge, never united; mm. A mimic."""
    shape = SHAPES[name]
    return ellipsoid(p, (0, -shape.half_depth - 2.2, -shape.half_height - 1.0), (4.0, 1.6, 2.0))
