"""The airway from the nose's back to the windpipe, its cartilages, the gullet, the thyroid and the great vessels."""

from __future__ import annotations

import numpy as np

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import blend, ramp

from .frame import Frame
from .solids import Points, capsule, ring, rounded

AIR, WALL, CARTILAGE, THYROID, BLOOD, GULLET = -1000.0, 48.0, 150.0, 105.0, 44.0, 42.0  # HU
REACH = 56.0, 80.0, 22.0  # mm to the sides, to the front and to the back of the bodies' line
#          nose  ...     mouth's back     epiglottis  larynx         windpipe
LEVELS = (-1.0, 0.5, 1.5, 2.5, 3.3, 4.0, 4.6, 5.2, 5.8, 6.3, 7.0, 8.0, 10.0)
WIDTH = (15.0, 14.0, 12.0, 11.0, 14.0, 13.0, 7.0, 3.2, 6.0, 8.0, 8.5, 8.5, 9.0)  # half, mm
DEPTH = (12.0, 9.0, 7.0, 6.0, 5.0, 6.0, 8.0, 9.5, 8.5, 8.5, 9.0, 9.0, 9.0)
MIDDLE = (-34.0, -28.0, -24.0, -21.0, -21.0, -25.0, -30.0, -33.0, -32.0, -31.0, -31.0, -32.0, -36.0)


def draw_airway(picture: Array, whole: Frame) -> None:
    """Draw all of them into a slice's HU."""
    part, frame = whole.near_spine(*REACH)
    image = picture[part]
    p = frame.around
    both = p.mirrored()
    _vessels(image, frame, both)
    middle = frame.by_level(LEVELS, MIDDLE)
    width, depth = frame.by_level(LEVELS, WIDTH), frame.by_level(LEVELS, DEPTH)
    if frame.level > 5.8:
        _thyroid_and_gullet(image, frame, p, middle + depth)
    _cartilages(image, frame, p, both, (middle, width, depth))
    inside = (1 - rounded(p.u * np.float32(1 / width), (p.v - np.float32(middle)) * np.float32(1 / depth), 1.4)) * min(
        width, depth
    )
    blend(image, WALL, ramp(inside + np.float32(2.6), 1.5))
    air = ramp(inside, frame.soft)
    if 3.2 < frame.level < 4.3:  # the epiglottis: a leaf across the air
        leaf = np.abs(p.v - np.float32(middle - 1) - p.u * p.u * np.float32(0.03)) - np.float32(1.2)
        air *= ramp(leaf, frame.soft)
    blend(image, AIR, air)


def _vessels(image: Array, frame: Frame, both: Points) -> None:
    """Carotid artery and jugular vein on either side."""
    by = frame.by_level
    levels = (0.0, 2.0, 4.0, 6.0, 8.5)
    artery = (by(levels, (26, 27, 29, 27, 22)), by(levels, (-12, -16, -20, -24, -28)), by((3, 4), (2.8, 3.6)))
    vein = (by(levels, (30, 34, 37, 36, 34)), by(levels, (-5, -10, -16, -23, -30)), by(levels, (5, 5, 6, 7, 7)))
    for u, v, radius in (artery, vein):
        away = np.sqrt((both.u - np.float32(u)) ** 2 + (both.v - np.float32(v)) ** 2)
        blend(image, -90.0, ramp(np.float32(radius + 1.0) - away, 1.5))
        blend(image, BLOOD, ramp(np.float32(radius) - away, frame.soft))


def _thyroid_and_gullet(image: Array, frame: Frame, p: Points, behind: float) -> None:
    size = frame.by_level((5.8, 6.6, 7.8, 8.6), (0.3, 1.0, 1.0, 0.1))
    both = p.mirrored()
    lobe = 1 - np.hypot(
        (both.u - np.float32(16)) / np.float32(7 * size), (p.v + np.float32(29)) / np.float32(11 * size)
    )
    blend(image, THYROID, ramp(lobe * np.float32(7 * size), 1.2))
    away = np.hypot((p.u - 3) / np.float32(1.7), p.v - np.float32(behind + 4.6))
    blend(image, GULLET, ramp(np.float32(4.2) - away, 1.2))
    blend(image, -420.0, ramp(np.float32(0.7) - away, 1.6))


def _cartilages(image: Array, frame: Frame, p: Points, both: Points, air: tuple[float, float, float]) -> None:
    middle, width, depth = air
    if 3.35 < frame.level < 3.85:  # the hyoid bone
        bow = np.abs(ring(p.u, p.v + np.float32(30), (17.0, 19.0))) - np.float32(1.9)
        blend(image, 480.0, ramp(-np.maximum(bow, p.v + np.float32(24)), frame.soft))
    if 4.2 < frame.level < 5.7:  # the thyroid cartilage: two plates that meet in front
        plate = capsule(both._replace(w=np.zeros_like(p.w)), (0.5, middle - 15, 0), (18, middle + 9, 0), 1.2)
        blend(image, CARTILAGE, ramp(-plate, frame.soft))
    if 5.6 < frame.level < 6.3:  # the cricoid
        blend(
            image, 190.0, ramp(np.float32(1.7) - np.abs(ring(p.u, p.v - np.float32(middle), (11.0, 12.0))), frame.soft)
        )
    elif frame.level >= 6.3:  # rings of the windpipe
        rim = np.abs(ring(p.u, p.v - np.float32(middle), (width + 1.4, depth + 1.4))) - np.float32(0.8)
        open_behind = p.v - np.float32(middle + 0.7 * depth)
        blend(image, 85.0, ramp(-np.maximum(rim, open_behind), frame.soft))
