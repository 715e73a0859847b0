"""The slices of a series: anatomy, blood, mimics, and what the scanner adds. T slices, foot to head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.ct_scanner import scan_slice
from hounsfield.core.phantom_kit.grid import Array, Grid
from hounsfield.core.phantom_kit.painting import blend
from hounsfield.core.phantom_kit.seeds import random_stream

from ..labels import CLASSES
from .bleeds import Bleed, draw_bleed, draw_oedema, midline_shift, pressed_depth
from .brain import draw_brain
from .face import draw_head_rest, draw_outside
from .head import Frame, crop_to_slice, cut_vault, frame_head, place_head
from .plans import KINDS, Mimic, PatientPlan, SeriesPlan, plan_mimics

SMALLEST_BLEED = 25.0  # mm^2; below it a slice is not labelled
LONGEST_SLICE = 6.0  # mm; oblique surfaces are blurred over the slice's thickness, at most over this


@dataclass(frozen=True)
class Study:
    """One series, and what is planted in it."""

    hu: Array  # (T, rows, columns) float32, noise included
    masks: dict[str, NDArray[np.bool_]]  # class -> (T, rows, columns): half blood or more, in labelled slices
    cavity: NDArray[np.bool_]  # (T, rows, columns), inside the skull
    ventricles: NDArray[np.bool_]  # (T, rows, columns)
    labels: NDArray[np.int8]  # (T, 6), in the order of labels.CLASSES
    heights: NDArray[np.float64]  # (T,) mm
    contrast: Array  # (T, bleeds): 1 in a bleed's middle, 0.15 to 0.35 in its first and last slice
    mimics: tuple[Mimic, ...]


class _Drawn(NamedTuple):
    """The head's rectangle of one slice, before the blood is added."""

    grid: Grid
    image: Array  # HU
    shares: list[Array]  # of blood, one array per bleed
    cavity: Array
    ventricles: Array


def draw_series(plan: PatientPlan, series: SeriesPlan, with_mimics: bool = True) -> Study:
    """All slices of a series, and where in them each bleed is."""
    rng = random_stream(plan.seed, 3, plan.patient, series.number)
    grid = place_head(plan.size, series.pixel * 512 / plan.size, series.rotation, series.offset)
    frame = frame_head(random_stream(plan.seed, 4, plan.patient), plan.head, grid)
    mimics = plan_mimics(rng, plan, series) if with_mimics else []
    drawn = [
        _draw_slice(frame, z, series.spacing, list(plan.bleeds), next((m for m in mimics if m.slice == i), None))
        for i, z in enumerate(series.heights)
    ]
    study = _empty_study(plan, series, tuple(mimics), _contrasts(rng, drawn, len(plan.bleeds), grid.spacing))
    rest = draw_head_rest(grid, series.offset) if series.head_rest else None
    for i, one in enumerate(drawn):
        part = one.grid.part
        for bleed, share, contrast in zip(plan.bleeds, one.shares, study.contrast[i], strict=True):
            if contrast > 0:
                blend(one.image, bleed.hu, share * contrast)
                study.masks[bleed.kind][i][part] |= share >= 0.5
                study.labels[i, [CLASSES.index(bleed.kind), CLASSES.index("any")]] = 1
        study.cavity[i][part] = one.cavity >= 0.5
        study.ventricles[i][part] = one.ventricles >= 0.5
        study.hu[i] = scan_slice(rng, one.image, one.grid, series.noise, rest)
    return study


def _empty_study(plan: PatientPlan, series: SeriesPlan, mimics: tuple[Mimic, ...], contrast: Array) -> Study:
    shape = (len(series.heights), plan.size, plan.size)
    return Study(
        hu=np.empty(shape, np.float32),
        masks={kind: np.zeros(shape, bool) for kind in KINDS},
        cavity=np.zeros(shape, bool),
        ventricles=np.zeros(shape, bool),
        labels=np.zeros((shape[0], len(CLASSES)), np.int8),
        heights=np.array(series.heights),
        contrast=contrast,
        mimics=mimics,
    )


def _draw_slice(frame: Frame, z: float, spacing: float, bleeds: list[Bleed], mimic: Mimic | None) -> _Drawn:
    frame = crop_to_slice(frame, z)
    vault = cut_vault(frame, z, min(spacing, LONGEST_SLICE))
    image = draw_outside(frame, vault)
    if vault.inner.max() < 3:
        empty = np.zeros(frame.grid.shape, np.float32)
        return _Drawn(frame.grid, image, [empty] * len(bleeds), empty, empty)
    false = mimic.bleed if mimic else None
    pressing = [*bleeds, false] if false else bleeds
    brain = draw_brain(frame, vault, pressed_depth(pressing, frame, vault), midline_shift(bleeds))
    tissue = brain.hu
    for bleed in bleeds:
        if bleed.kind == "intraparenchymal" and bleed.swell(z) > 0:
            tissue += draw_oedema(bleed, frame, vault)
    if mimic and false:
        blend(tissue, false.hu, draw_bleed(false, frame, vault, brain) * np.float32(mimic.contrast))
    elif mimic:
        tissue += _streak(frame, z, mimic.contrast)
    blend(image, tissue, vault.cavity)
    shares = [draw_bleed(bleed, frame, vault, brain) for bleed in bleeds]
    return _Drawn(frame.grid, image, shares, vault.cavity, brain.ventricles * vault.cavity)


def _streak(frame: Frame, z: float, contrast: float) -> Array:
    """A band of beam hardening across the head, bright beside dark; HU to add."""
    turn = 0.9 * np.sin(z * 7.1)
    across = frame.grid.x * np.float32(np.sin(turn))
    across = across + (frame.grid.y - np.float32(22 * np.sin(z * 3.3))) * np.float32(np.cos(turn))
    band = np.exp(-((across / 4.5) ** 2)) - np.float32(0.6) * np.exp(-(((across - 10) / 4.5) ** 2))
    return np.asarray(np.float32(26 * contrast) * band, np.float32)


def _contrasts(rng: np.random.Generator, drawn: list[_Drawn], bleeds: int, pixel: float) -> Array:
    """(T, bleeds): 1 in the middle, 0.15 to 0.35 in the first and last slice, 0 where there is too little blood."""
    contrast = np.zeros((len(drawn), bleeds), np.float32)
    for b in range(bleeds):
        area = np.array([float((one.shares[b] >= 0.5).sum()) * pixel**2 for one in drawn])
        seen = np.flatnonzero(area >= SMALLEST_BLEED)
        for place, i in enumerate(seen):
            from_end = min(place, len(seen) - 1 - place)
            steps = (rng.uniform(0.15, 0.35), rng.uniform(0.7, 0.9), 1.0)
            if len(seen) < 5:  # too few for a step between faint and full; one or two slices are full
                from_end = 0 if from_end == 0 and len(seen) > 2 else 2
            contrast[i, b] = steps[min(from_end, 2)]
    return contrast
