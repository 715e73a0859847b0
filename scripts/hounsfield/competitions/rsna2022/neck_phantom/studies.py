"""A study's slices: the neck around the spine, the vertebrae with what broke, and what the scanner adds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.ct_scanner import scan_slice
from hounsfield.core.phantom_kit.grid import Array, Grid, place_body
from hounsfield.core.phantom_kit.painting import blend, ramp
from hounsfield.core.phantom_kit.seeds import random_stream

from .airway import draw_airway
from .bone import bone_hu
from .fractures import WHOLE, loose_apophysis, nutrient_canal
from .frame import Frame, Part, box_of
from .plans import StudyPlan
from .shoulders import add_streaks, draw_shoulders
from .skull import draw_skull
from .soft_tissue import draw_soft_tissue
from .solids import Points, rounded
from .spine import Vertebra
from .vertebrae import SHAPES, distance, foramen_place

SLICE_STREAM = 3
FAT, DISC, FLUID, CORD, BLOOD, VEIN = -70.0, 88.0, 18.0, 42.0, 46.0, 60.0  # HU
REACH = (46.0, -26.0, 66.0)  # of a vertebra: to the sides, to the front, to the back; mm
ARTERY = 8.0  # mm above and below a vertebra's middle, over which its arteries are drawn
ROUGH = 0.25  # mm, standard deviation of a bone's surface
SURELY = 0.5  # a pixel belongs to a vertebra from this share on


@dataclass(frozen=True)
class Study:
    """What was drawn, (slices, rows, columns) from head to feet, as the patient lies."""

    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]  # 0, or a vertebra: 1 to 7 are C1 to C7, 8 and up T1 and on
    gaps: NDArray[np.bool_]  # fracture lines


def draw_study(plan: StudyPlan) -> Study:
    """Draw every slice of a study."""
    grid = place_body(
        plan.size, plan.pixel, plan.rotation, plan.offset, width=(-400.0, 400.0), depth=(-400.0, 400.0)
    )  # all of the picture
    shape = (len(plan.heights), plan.size, plan.size)
    study = Study(np.zeros(shape, np.int16), np.zeros(shape, np.uint8), np.zeros(shape, bool))
    for i in range(len(plan.heights)):
        study.hu[i] = _draw_slice(plan, grid, i, study.labels[i], study.gaps[i])
    return study


def _draw_slice(
    plan: StudyPlan, grid: Grid, index: int, labels: NDArray[np.uint8], gaps: NDArray[np.bool_]
) -> NDArray[np.int16]:
    """One slice's HU; fills in the pixels of its vertebrae and of fracture lines."""
    rng = random_stream(plan.seed, SLICE_STREAM, plan.number, index)
    frame = Frame(plan.spine, grid, float(plan.heights[index]), plan.girth)
    image, _ = draw_soft_tissue(frame, plan.tissue)
    draw_airway(image, frame)
    draw_shoulders(image, frame)
    draw_skull(image, frame, plan.cells)
    _draw_canal(image, frame)
    _draw_discs(image, frame)
    _draw_arteries(image, frame)
    for vertebra in plan.spine.vertebrae:
        _draw_vertebra(image, frame, plan, vertebra, (labels, gaps))
    full = scan_slice(rng, image, grid, plan.noise)
    add_streaks(rng, full, frame, plan.streaks)
    return np.asarray(np.rint(np.clip(full, -1024, 3071)), np.int16)


def _draw_canal(image: Array, frame: Frame) -> None:
    """The cord in its fluid, within a little fat; above the atlas the brain stem in the foramen."""
    x, _, canal = frame.spine.line(frame.z)
    part, grid = frame.window((x - 18, x + 18), (canal - 18, canal + 18))
    u = (grid.x - np.float32(x)) / np.float32(frame.spine.scale)
    v = (grid.y - np.float32(canal)) / np.float32(frame.spine.scale)
    for (a, b), hu in (((11.6, 9.0), FAT), ((10.2, 7.4), FLUID), ((6.6, 4.0), CORD)):
        surface = (1 - rounded(u * np.float32(1 / a), v * np.float32(1 / b), 1.6)) * np.float32(b)
        blend(image[part], hu, ramp(surface, frame.soft))


def _draw_discs(image: Array, frame: Frame) -> None:
    """What lies between two bodies."""
    for above, below in pairwise(frame.spine.vertebrae[1:]):
        if not below.centre[2] < frame.z < above.centre[2]:
            continue
        part, p = _around(frame, below)
        shape = SHAPES[below.name]
        a, b = shape.half_width - 0.6, shape.half_depth - 0.2
        surface = (1 - rounded(p.u * np.float32(1 / a), p.v * np.float32(1 / b), 1.2)) * np.float32(b)
        blend(image[part], DISC, ramp(surface, frame.soft))


def _draw_arteries(image: Array, frame: Frame) -> None:
    """The vertebral arteries, in fat, where the foramina from C6 up leave room for them."""
    for vertebra in frame.spine.vertebrae[:6]:
        if abs(frame.z - vertebra.centre[2]) < ARTERY * vertebra.scale:
            part, p = _around(frame, vertebra)
            u, v = foramen_place(vertebra.name)
            away = np.hypot(np.abs(p.u) - np.float32(u), p.v - np.float32(v))
            blend(image[part], FAT, ramp(2.9 - away, frame.soft))
            blend(image[part], BLOOD, ramp(1.9 - away, frame.soft))


def _around(frame: Frame, vertebra: Vertebra) -> tuple[Part, Points]:
    """The part of the picture that a vertebra can reach in this slice, and its points in the vertebra's frame."""
    side, front, back = (one * vertebra.scale for one in REACH)
    x, y, _ = vertebra.centre
    drift = abs(frame.z - float(vertebra.centre[2])) * 0.5
    part, grid = frame.window((x - side, x + side), (y + front - drift, y + back + drift))
    return part, vertebra.points(grid.x, grid.y, frame.z)


def _draw_vertebra(
    image: Array,
    frame: Frame,
    plan: StudyPlan,
    vertebra: Vertebra,
    marks: tuple[NDArray[np.uint8], NDArray[np.bool_]],
) -> None:
    """One vertebra, where this slice cuts it, with its fractures and mimics."""
    low, high = vertebra.heights
    if not low < frame.z < high:
        return
    whole, p = _around(frame, vertebra)
    fracture = next((one for one in plan.fractures if one.vertebra == vertebra.name), WHOLE)
    p, gap = fracture.apply(p)
    bone, soft = plan.bone, frame.soft
    surface = distance(vertebra.name, p) * np.float32(vertebra.scale)
    if vertebra.name in plan.apophyses:
        surface = np.minimum(surface, loose_apophysis(vertebra.name, p))
    near = box_of(surface < soft + 2 * ROUGH)
    surface, gap, p = surface[near], gap[near], Points(*(one[near] for one in p))
    if not surface.size:
        return
    surface += np.float32(ROUGH) * bone.rough.at(p.u, p.v, p.w)
    inner = np.float32(bone.cancellous) + 28 * bone.trabeculae.at(p.u, p.v, p.w)
    hu = bone_hu(surface, soft, cancellous=inner, cortex=bone.cortex, thickness=bone.thickness)
    if vertebra.name != "C1":
        blend(hu, VEIN, 0.8 * ramp(-nutrient_canal(vertebra.name, p), soft))
    share, line = ramp(-surface, soft), ramp(-gap, soft)
    blend(hu, fracture.hu, line)
    blend(image[whole][near], hu, share)
    labels, gaps = (one[frame.grid.part][whole][near] for one in marks)
    labels[share >= SURELY] = vertebra.label
    gaps |= (line >= SURELY) & (share >= SURELY)
