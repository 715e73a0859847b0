"""What a patient has and how the series are taken. Both depend only on the seed and the patient's number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hounsfield.core.phantom_kit.seeds import random_stream

from ..labels import CLASSES
from .bleeds import Bleed, random_bleed
from .head import Head, random_head

KINDS = CLASSES[:5]  # without `any`
PATIENTS_PER_BLOCK = 10  # each block holds every kind of bleed, a second series and a wrong intercept
LOWEST, HIGHEST = -10.0, 112.0  # mm above the orbits: what a series covers


@dataclass(frozen=True)
class SeriesPlan:
    """How one series is taken."""

    number: int  # within the patient
    study: int  # which study of the patient it belongs to
    heights: tuple[float, ...]  # mm, foot to head
    spacing: float  # mm between slices
    pixel: float  # mm at 512 pixels
    rotation: float  # radians
    offset: tuple[float, float]  # mm
    noise: float  # HU
    tilt: float  # of the gantry, degrees
    padded: bool  # -2000 outside the circular field of view
    head_rest: bool
    wrong_intercept: bool
    many_windows: bool  # multi-valued WindowCenter and WindowWidth
    table: tuple[float, float, float]  # mm added to every position


@dataclass(frozen=True)
class PatientPlan:
    """Everything about a patient but the pixels."""

    seed: int
    patient: int
    size: int
    bleeds: tuple[Bleed, ...]
    head: Head
    series: tuple[SeriesPlan, ...]


def plan_patient(
    seed: int, patient: int, slices: tuple[int, int], size: int, bleeds: tuple[str, ...] | None = None
) -> PatientPlan:
    """Decide everything about a patient but the pixels; bleeds: the kinds to plant, None: drawn."""
    block = random_stream(seed, 1, patient // PATIENTS_PER_BLOCK)
    own, extra = (int(block.permutation(PATIENTS_PER_BLOCK)[patient % PATIENTS_PER_BLOCK]) for _ in range(2))
    rng = random_stream(seed, 2, patient)
    kinds = list(KINDS[own : own + 1])
    if kinds and rng.random() < 0.25:
        kinds.append(str(rng.choice([kind for kind in KINDS if kind not in kinds])))
    if bleeds is not None:
        kinds = list(bleeds)
    head = random_head(rng, wide_ventricles="intraventricular" in kinds)
    single = bleeds is None and extra == 1 and (patient // PATIENTS_PER_BLOCK) % 3 == 0
    count = 1 if single else int(rng.integers(slices[0], slices[1] + 1))
    series = [_plan_series(rng, 0, 0, count, wrong=extra in (2, 3))]
    planted = tuple(random_bleed(rng, kind, head.scale, series[0].spacing) for kind in kinds)
    if single:
        height = (planted[0].low + planted[0].high) / 2 if planted else 55.0
        series[0] = replace(series[0], heights=(height,))
    if extra == 0:
        series.append(_plan_series(rng, 1, (patient // PATIENTS_PER_BLOCK) % 2, count, wrong=False))
    return PatientPlan(seed, patient, size, planted, head, tuple(series))


def _plan_series(rng: np.random.Generator, number: int, study: int, count: int, wrong: bool) -> SeriesPlan:
    low, high = LOWEST + rng.uniform(-4, 6), HIGHEST + rng.uniform(-4, 4)
    spacing = (high - low) / max(count, 12)  # a few slices do not cover the head
    low += (high - low - spacing * count) * 0.6
    return SeriesPlan(
        number=number,
        study=study,
        heights=tuple(float(low + spacing * (i + 0.5)) for i in range(count)),
        spacing=float(spacing),
        pixel=round(float(rng.uniform(0.445, 0.498)), 6),
        rotation=float(rng.normal(0, 0.06)),
        offset=(float(rng.normal(0, 4)), float(rng.normal(0, 4))),
        noise=float(rng.uniform(2.8, 4.4)),
        tilt=float(rng.uniform(4, 20)) if rng.random() < 0.4 else 0.0,
        padded=bool(rng.random() < 0.4) and not wrong,
        head_rest=bool(rng.random() < 0.6),
        wrong_intercept=wrong,
        many_windows=bool(rng.random() < 0.4),
        table=(float(rng.normal(0, 5)), float(rng.normal(-20, 10)), float(rng.uniform(-150, 250))),
    )


@dataclass(frozen=True)
class Mimic:
    """What looks like blood and is none, in one slice only: the shape of a bleed, or a streak (bleed None)."""

    slice: int
    kind: str
    contrast: float
    bleed: Bleed | None


def plan_mimics(rng: np.random.Generator, plan: PatientPlan, series: SeriesPlan) -> list[Mimic]:
    """At most one mimic per slice, away from the patient's bleeds; none in a series of one or two slices."""
    found: dict[int, Mimic] = {}
    for _ in range(int(rng.poisson(0.7)) if len(series.heights) >= 3 else 0):
        kind = str(rng.choice([*KINDS, "streak"]))
        bleed = None if kind == "streak" else random_bleed(rng, kind, plan.head.scale, series.spacing)
        middle = float(rng.uniform(-9, 9)) + ((bleed.low + bleed.high) / 2 if bleed else 40.0)
        i = int(np.argmin(np.abs(np.array(series.heights) - middle)))
        z, reach = series.heights[i], 1.6 * series.spacing
        if any(bleed.low - reach < z < bleed.high + reach for bleed in plan.bleeds):
            continue
        confined = replace(bleed, low=z - 0.3 * series.spacing, high=z + 0.3 * series.spacing) if bleed else None
        found.setdefault(i, Mimic(i, kind, float(rng.uniform(0.4, 0.95)), confined))
    return list(found.values())
