"""The lower end of the head: occiput with its condyles, mastoids, brain, jaws and teeth."""

from __future__ import annotations

import numpy as np

from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.painting import blend, ramp
from hounsfield.core.phantom_kit.waves import Waves

from .bone import blend_bone
from .frame import Frame
from .solids import Points, capsule, ellipsoid, overlap, ring, rounded

BRAIN, TOOTH = 33.0, 1900.0  # HU
OCCIPUT, OCCIPUT_RADII = (0.0, 24.0, 68.0), (62.0, 66.0, 54.0)  # from the middle of the atlas: the bowl of the skull
OPENING = (10.0, 15.0, 19.0)  # v of the foramen magnum's middle, half its width and length
LOWEST_LEVEL = 3.7  # that shows any of it


def draw_skull(image: Array, frame: Frame, cells: Waves) -> None:
    """Draw skull base and jaws into a slice's HU. cells: of the mastoids."""
    if frame.level > LOWEST_LEVEL:
        return
    atlas = frame.spine["C1"]
    x, y, _ = atlas.centre
    part, grid = frame.window((x - 75, x + 75), (y - 115, y - 5))
    face = atlas.points(grid.x, grid.y, frame.z).mirrored()
    _jaws(image[part], frame.soft, face)
    if frame.level < 1:
        _nose(image[part], frame.soft, face)
    if frame.level > 1.2:
        return
    p = atlas.points(frame.grid.x, frame.grid.y, frame.z)
    both = p.mirrored()
    bowl = ellipsoid(p, OCCIPUT, OCCIPUT_RADII)
    blend(image, BRAIN, ramp(-bowl - 2, 1.5))
    v, a, b = OPENING
    opening = ring(p.u, p.v - np.float32(v), (a, b))
    shell = overlap(np.abs(bowl) - np.float32(3.0), -opening, 2.0)
    condyle = ellipsoid(both, (16.5, -3.0, 14.6), (7.0, 10.5, 7.0))
    clivus = capsule(both, (0, -9, 19), (0, -30, 42), 5.5)
    temporal = ellipsoid(both, (46, -4, 36), (24, 14, 14))
    base = np.minimum(np.minimum(shell, condyle), np.minimum(clivus, temporal))
    blend_bone(image, base, frame.soft, cancellous=320.0, cortex=1050.0, thickness=1.6)
    mastoid = ellipsoid(both, (51, 8, 22), (11, 15, 26))
    blend_bone(image, mastoid, frame.soft, cancellous=250.0, cortex=1000.0, thickness=1.5)
    air = ramp(-mastoid - 2, 1.5) * ramp(cells.at(p.u, p.v, frame.z) - np.float32(0.1), 0.5)
    blend(image, -750.0, air)


def _jaws(image: Array, soft: float, both: Points) -> None:
    ramus = capsule(both, (50, -30, 26), (47, -38, -30), 1.0)
    ramus = np.maximum(ramus - 15, np.abs(both.u - np.float32(48) + np.float32(0.06) * (both.w + 30)) - np.float32(3.2))
    chin = both.w + np.float32(46) - np.float32(0.16) * (both.v + np.float32(40))
    arch = ring(both.u, both.v + np.float32(46), (46.0, 42.0))
    body = overlap(
        np.abs(arch) - np.float32(5.0), np.maximum(np.abs(chin) - np.float32(12), both.v + np.float32(40)), 2.0
    )
    palate = overlap(np.abs(both.w + np.float32(2)) - np.float32(2), np.maximum(arch + 10, both.v + np.float32(36)))
    alveolus = overlap(np.abs(arch + np.float32(4)) - np.float32(5.5),
                       np.maximum(np.abs(both.w + np.float32(8)) - np.float32(8), both.v + np.float32(42)))  # fmt: skip
    bone = np.minimum(np.minimum(ramus, body), np.minimum(palate, alveolus))
    blend_bone(image, bone, soft, cancellous=300.0, cortex=1250.0, thickness=1.8)
    blend(image, TOOTH, ramp(-_teeth(both), soft))


def _nose(image: Array, soft: float, both: Points) -> None:
    """The nasal cavity above the palate, with septum and turbinates, and the maxillary sinuses beside it."""
    sinus = ellipsoid(both, (29, -58, 17), (12, 17, 15))
    across, along = (both.u - np.float32(6)) * np.float32(1 / 6), (both.v + np.float32(70)) * np.float32(1 / 21)
    room = np.maximum((rounded(across, along, 0.6) - 1) * np.float32(6), 1 - both.w)
    walls = np.minimum(np.abs(sinus) - np.float32(0.7), np.maximum(both.u - np.float32(0.8), room))
    blend(image, 45.0, ramp(np.float32(1.5) - room, 1.0))
    blend(image, -950.0, ramp(-np.minimum(sinus, room), soft))
    blend(image, 50.0, ramp(-ellipsoid(both, (7.5, -69, 9), (2.6, 16, 6)), soft))
    blend(image, 600.0, ramp(-walls, soft))


def _teeth(both: Points) -> Array:
    """A row on either jaw: pegs side by side along the arch."""
    arch = ring(both.u, both.v + np.float32(46), (44.0, 40.0))
    around = np.arctan2(both.u, -both.v - np.float32(46))
    between = np.abs(np.mod(around, np.float32(0.2)) - np.float32(0.1)) * np.float32(42) - np.float32(3.5)
    rows = np.minimum(np.abs(both.w + np.float32(30)) - np.float32(8), np.abs(both.w + np.float32(12)) - np.float32(8))
    front = both.v + np.float32(42)
    return np.maximum(np.maximum(np.abs(arch) - np.float32(3.4), between), np.maximum(rows, front))
