"""Skin, fat and muscles. Muscles lie close together, parted by thin sheets of fat, as in a neck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import blend, ramp
from hounsfield.core.phantom_kit.waves import Waves

from .frame import Frame
from .solids import Points, join, ring

AIR, FAT, SKIN = -1000.0, -98.0, 15.0  # HU
SHEET = 1.1  # mm, of fat between two muscles
SKIN_THICKNESS = 1.8  # mm


@dataclass(frozen=True)
class Tissue:
    """What a patient's soft tissue is like."""

    fat: float  # mm below the skin at the sides; half as much again at the back
    muscle: float  # HU
    bulk: float  # of the muscles, around 1
    broad: Waves  # 40 mm
    fine: Waves  # 4 mm: strands


@dataclass(frozen=True)
class Station:
    """Where a muscle is at one level: its middle, its two radii and how far it is turned, mm and degrees."""

    level: float
    u: float
    v: float
    across: float
    deep: float
    turn: float = 0.0


# of one side, from the bodies' line; a muscle ends where its stations end
MUSCLES: dict[str, tuple[Station, ...]] = {
    "longus colli": (Station(0.6, 6, -14, 5, 3), Station(2, 6, -11, 5.5, 3.4), Station(9, 9, -12, 6, 3.2)),
    "sternocleidomastoid": (
        Station(0.5, 56, 18, 8, 14, 10), Station(2.5, 52, 6, 8, 15, 15), Station(4.5, 46, -12, 8.5, 16, 35),
        Station(6.5, 34, -32, 7, 15, 60), Station(8.5, 20, -48, 5, 11, 75),
    ),
    "scalenus anterior": (Station(3.2, 22, -8, 4, 5), Station(6, 27, -12, 7, 7), Station(8.5, 34, -20, 8, 9)),
    "scalenus medius": (Station(2.4, 25, 2, 4, 5), Station(5.5, 32, 2, 8, 9), Station(8.5, 46, -4, 10, 12)),
    "levator scapulae": (Station(1.4, 36, 10, 6, 8, -20), Station(4.5, 42, 18, 9, 12, -30),
                         Station(9, 62, 34, 12, 11, -30)),
    "trapezius": (Station(1, 14, 66, 12, 3, 10), Station(4, 30, 58, 26, 3.6, 32), Station(6.5, 44, 52, 36, 5.5, 36),
                  Station(9, 66, 48, 60, 10, 25)),
    "splenius": (Station(0.3, 42, 34, 14, 6, 45), Station(4, 28, 46, 19, 5.5, 40), Station(8.5, 22, 46, 17, 5, 20)),
    "semispinalis capitis": (Station(0, 16, 52, 15, 8, 20), Station(3, 15, 44, 13, 8, 30),
                             Station(9, 15, 40, 11, 7, 30)),
    "semispinalis cervicis": (Station(1.8, 10, 32, 9, 7, 20), Station(9, 13, 31, 11, 8, 20)),
    "obliquus": (Station(0.4, 24, 24, 13, 9, 35), Station(1.9, 19, 25, 12, 8, 30)),
    "longissimus": (Station(2, 27, 22, 6, 8, -30), Station(9, 27, 27, 9, 9, -20)),
    "pterygoid": (Station(-1, 33, -42, 8, 16, 20), Station(1.8, 38, -40, 6, 13, 20)),
    "masseter": (Station(-1, 57, -52, 7, 20, 12), Station(2.4, 53, -50, 7, 16, 15)),
    "digastric": (Station(0.6, 44, 0, 5, 9, 20), Station(2.6, 38, -20, 4, 8, 20)),
    "tongue": (Station(0.9, 10, -62, 17, 28), Station(2.6, 9, -56, 16, 30), Station(3.4, 8, -52, 14, 28)),
    "straps": (Station(3.6, 10, -52, 8, 4, -20), Station(6, 14, -46, 10, 4, -30), Station(9, 14, -50, 10, 4, -20)),
    "pharynx wall": (Station(-0.5, 13, -22, 6, 7), Station(3, 15, -22, 5, 9), Station(5, 14, -20, 6, 6)),
    "supraspinatus": (Station(8.2, 108, 18, 30, 20, 10), Station(10, 105, 22, 36, 26, 10)),
    "pectoralis": (Station(8.8, 78, -52, 40, 10, -15), Station(11, 80, -58, 46, 16, -12)),
}  # fmt: skip


def skin_distance(frame: Frame, p: Points) -> Array:
    """Depth below the skin at points around the spine, negative outside; mm."""
    level = frame.by_level
    wide = level([2, 4, 5, 7, 8.5], [66, 61, 59, 63, 74])
    front, back = level([2, 4, 6, 8], [60, 58, 56, 60]), level([1, 3, 5, 7, 9], [72, 67, 66, 72, 76])
    middle = (back - front) / 2
    fuller = 1 + np.float32(0.0016) * p.v  # broader behind than in front, with a groove behind and the larynx in front
    groove = np.float32(5) * np.exp(-p.u * p.u * np.float32(1 / 180)) * (p.v > 0)
    found = ring(p.u / fuller, p.v - np.float32(middle), (wide, (front + back) / 2)) + groove
    if frame.level < 4.2:  # jaw and face
        width, length = level([-1, 2.6, 3.6, 4.2], [66, 60, 46, 20]), level([2.8, 3.5, 4.2], [60, 48, 20])
        found = join(found, ring(p.u, p.v + np.float32(40), (width, length)), 8.0)
    if frame.level < 3.6:  # back of the head
        size, back = level([-1, 1, 2, 3, 3.6], [1.0, 0.97, 0.88, 0.76, 0.6]), level([-1, 1, 2, 3.6], [14, 12, 8, -4])
        found = join(found, ring(p.u, p.v - np.float32(back), (75 * size, 80 * size)), 8.0)
    if frame.level > 6:
        out = level([6, 6.6, 7.2, 7.8, 8.4, 9.5], [40, 62, 82, 112, 150, 215])
        found = join(found, ring(p.u, p.v - np.float32(8), (out, level([6.4, 8, 10], [40, 52, 66]))), 20.0)
    return -found


def _muscle(station: Station, p: Points, bulk: float) -> Array:
    """Depth within a muscle of both sides, negative outside; mm."""
    angle = np.deg2rad(station.turn)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    du, dv = p.u - np.float32(station.u), p.v - np.float32(station.v)
    a, b = cos * du - sin * dv, sin * du + cos * dv
    across, deep = station.across * bulk, station.deep * bulk
    return (1 - np.sqrt((a / np.float32(across)) ** 2 + (b / np.float32(deep)) ** 2)) * np.float32(min(across, deep))


def _at_level(stations: tuple[Station, ...], level: float) -> Station | None:
    """A muscle where a slice cuts it; None where it does not."""
    levels = [one.level for one in stations]
    if not levels[0] - 0.3 <= level <= levels[-1] + 1.5:
        return None
    values = ([getattr(one, name) for one in stations] for name in ("u", "v", "across", "deep", "turn"))
    u, v, across, deep, turn = (float(np.interp(level, levels, one)) for one in values)
    ends = float(np.sqrt(np.clip(min(level - levels[0] + 0.3, levels[-1] + 1.5 - level) / 0.9, 0.01, 1)))
    return Station(level, u, v, across * ends, deep * ends, turn)


def draw_soft_tissue(frame: Frame, tissue: Tissue) -> tuple[Array, Array]:
    """HU of skin, fat and muscles in air, and the depth below the skin, mm; both (rows, columns)."""
    p = frame.coarse
    depth = skin_distance(frame, p)
    both, z = p.mirrored(), frame.z
    uneven = tissue.broad.at(p.u, p.v, z)
    best = np.full(p.u.shape, -30, np.float32)
    second = best.copy()
    for stations in MUSCLES.values():
        station = _at_level(stations, frame.level)
        if station is not None:
            inside = _muscle(station, both, tissue.bulk) + np.float32(0.5) * uneven
            second = np.maximum(second, np.minimum(best, inside))
            best = np.maximum(best, inside)
    subcutaneous = np.float32(tissue.fat) * (1 + np.float32(0.5) * ramp(p.v - 30, 60)) + uneven
    muscle = ramp(best, 2.0) * ramp(best - second - np.float32(SHEET / 2), 1.2) * ramp(depth - subcutaneous, 2.0)
    fat = np.float32(FAT) + 7 * uneven
    image = frame.grid.refine(fat + (np.float32(tissue.muscle) - fat) * muscle)
    strands = tissue.fine.at(p.u, p.v, z / 3) * (np.float32(3) + np.float32(6) * (1 - muscle))
    image += frame.grid.refine(strands)
    deep = frame.grid.refine(depth) * np.float32(frame.girth)
    blend(image, SKIN, 1 - ramp(deep - np.float32(SKIN_THICKNESS), frame.soft))
    blend(image, AIR, 1 - ramp(deep, frame.soft))
    return image, deep
