"""What a patient has and how the films are taken. Both depend only on the seed and the patient's number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hounsfield.core.phantom_kit.seeds import random_stream

from .air import Air, random_air
from .thorax import SIDES, Thorax, random_thorax

POSITIVE_SHARE = 0.45  # of the patients
SEVERAL = 0.3  # of the patients have a second or third film


@dataclass(frozen=True)
class FilmPlan:
    """How one film is taken, and what it shows."""

    number: int  # within the patient
    erect: bool  # PA, standing; or AP, in bed
    field: float  # mm, width and height of the film
    rotation: float  # radians
    offset: tuple[float, float]  # mm
    breath: float  # -1 (out) to 1 (in)
    shift: float  # of the mediastinum, mm to the left
    local: float  # how strongly the processing lifts local contrast
    blur: float  # mm
    noise: float
    lung_grey: float  # of the lungs' median
    bright: float
    bits: int  # 8 or 12
    inverted: bool  # MONOCHROME1
    side: str  # of what lies on one side
    overlays: tuple[str, ...]
    air: Air | None


@dataclass(frozen=True)
class PatientPlan:
    """A patient, and the films that are taken of this one."""

    seed: int
    patient: int
    size: int
    age: float  # 0 to 1
    thorax: Thorax
    films: tuple[FilmPlan, ...]


def plan_patient(seed: int, patient: int, size: int) -> PatientPlan:
    """Decide everything about a patient but the pixels."""
    rng = random_stream(seed, 1, patient)
    thorax = random_thorax(rng)
    air = random_air(rng) if rng.random() < POSITIVE_SHARE else None
    count = 1 + int(rng.random() < SEVERAL) + int(rng.random() < SEVERAL / 3)
    films = []
    for number in range(count):
        films.append(_plan_film(rng, number, air))
        if air is not None:  # it grows, shrinks or is gone in the next film
            air = replace(air, width=air.width * rng.uniform(0.35, 1.25)) if rng.random() < 0.75 else None
    return PatientPlan(seed, patient, size, float(rng.random()), thorax, tuple(films))


def _plan_film(rng: np.random.Generator, number: int, air: Air | None) -> FilmPlan:
    erect = bool(rng.random() < 0.6)
    side = air.side if air is not None and rng.random() < 0.7 else str(rng.choice(list(SIDES)))
    chances = {
        "tracheal tube": 0.0 if erect else 0.3,
        "central line": 0.06 if erect else 0.4,
        "leads": 0.08 if erect else 0.6,
        "pacemaker": 0.04,
        "skin fold": 0.10 if erect else 0.35,
        "chest tube": 0.3 if air is not None else 0.05,
    }
    push = 0.0
    if air is not None and air.kind == "collapse" and rng.random() < 0.6:  # under tension
        push = -float(rng.uniform(4, 20)) * SIDES[air.side]
    return FilmPlan(
        number=number,
        erect=erect,
        field=float(rng.uniform(292, 335)),
        rotation=float(rng.normal(0, 0.025 if erect else 0.05)),
        offset=(float(rng.normal(0, 5)), float(rng.normal(9, 7))),
        breath=float(rng.uniform(-0.2, 1) if erect else rng.uniform(-1, 0.4)),
        shift=push + float(rng.normal(0, 2.5)),
        local=float(rng.uniform(0.25, 0.75)),
        blur=float(rng.uniform(0.18, 0.4)),
        noise=float(rng.uniform(0.004, 0.011)),
        lung_grey=float(rng.uniform(0.27, 0.43)),
        bright=float(rng.uniform(0.92, 1.05)),
        bits=12 if rng.random() < 0.2 else 8,
        inverted=bool(rng.random() < 0.2),
        side=side,
        overlays=tuple(name for name, chance in chances.items() if rng.random() < chance),
        air=air,
    )
