"""One film: body, lungs, bones, air and what lies on them, added up as the X-rays meet them, and developed."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.grid import Array, Grid, place_body
from hounsfield.core.phantom_kit.painting import Canvas, ramp
from hounsfield.core.phantom_kit.seeds import random_stream

from .air import AirInLung, draw_air
from .bones import draw_bones
from .overlays import central_line, chest_tube, leads, pacemaker, skin_fold, tracheal_tube
from .plans import FilmPlan, PatientPlan
from .thorax import Outlines, dome, inside, moved, outlines
from .vessels import DENSITY, draw_markings

AIR_SHARE = 0.83  # of a lung; the rest is tissue and blood
LUNG_DEPTH = 0.72  # of the chest's


class DrawnFilm(NamedTuple):
    """A film and its truth."""

    grey: Array  # (size, size) float32, 0 (black) to 1 (white), bone bright
    mask: NDArray[np.bool_]  # (size, size), where the pneumothorax is


def draw_film(patient: PatientPlan, film: FilmPlan) -> DrawnFilm:
    """Draw one film of a patient."""
    everywhere = (-1e9, 1e9)
    grid = place_body(
        patient.size, film.field / patient.size, film.rotation, film.offset, width=everywhere, depth=everywhere
    )
    shape = outlines(patient.thorax, film.breath, film.shift)
    lungs = {side: inside(grid, outline) for side, outline in shape.lungs.items()}
    found = None
    if film.air is not None:
        found = draw_air(random_stream(patient.seed, 4, patient.patient), grid, shape, lungs[film.air.side], film.air)
    density = _density(patient, film, grid, shape, lungs, found)
    density += _overlays(patient, film, grid, shape)
    mask = np.zeros(grid.shape, bool) if found is None else found.region >= 0.5
    sound = [lung for side, lung in lungs.items() if film.air is None or side != film.air.side]
    aerated = sum(sound, np.zeros(grid.shape, np.float32)) * (1 - inside(grid, shape.heart)) > 0.9
    return DrawnFilm(_developed(density, patient, film, grid, aerated), mask)


def _density(
    patient: PatientPlan, film: FilmPlan, grid: Grid, shape: Outlines, lungs: dict[str, Array], found: AirInLung | None
) -> Array:
    """All that belongs to the body, (size, size)."""
    own = random_stream(patient.seed, 3, patient.patient)  # the same in each film of the patient
    thorax, both = patient.thorax, sum(lungs.values(), np.zeros(grid.shape, np.float32))
    body = inside(grid, shape.body)
    thick = dome(body, 84.0, grid.spacing) * np.float32(thorax.depth)
    heart = dome(inside(grid, shape.heart, 1.6), 22.0, grid.spacing)
    lung = dome(both, 58.0, grid.spacing) * np.float32(LUNG_DEPTH * thorax.depth)
    lung = lung * (1 - np.float32(0.9) * heart)
    below = ramp(grid.y - np.float32(66 * thorax.height), 50)  # liver, stomach and spleen
    thick += np.float32(24) * np.maximum(heart, below) * body
    thinness = lung / np.float32(LUNG_DEPTH * thorax.depth)
    bones, hanging = draw_bones(own, grid, shape, patient.age)
    markings = draw_markings(own, grid, thinness, film.shift)
    aerated = np.full(grid.shape, np.float32(AIR_SHARE), np.float32)
    if found is not None and film.air is not None:
        side = lungs[film.air.side]
        squeezed = np.float32(AIR_SHARE * (1 - min(0.75, 1.1 * found.share**1.3)))  # what is left of the lung is denser
        aerated += (squeezed - aerated) * side
        aerated += (1 - aerated) * found.region
        markings = markings * (1 - found.region) + found.line * np.float32(0.22) * np.minimum(1, thinness * 3)
    density = np.float32(DENSITY) * (thick - lung * aerated) + markings
    seen = cv2.GaussianBlur(both * (1 - np.float32(0.5) * heart), (0, 0), 5 / grid.spacing)  # scatter hides the rest
    density += bones * (np.float32(0.3) + np.float32(0.7) * seen) + hanging * np.float32(0.8 if film.erect else 1.0)
    density -= np.float32(DENSITY) * _air_ways(own, grid, film)
    density += np.float32(DENSITY) * _breasts(own, grid, thorax.breasts) * body
    return np.asarray(np.maximum(density, 0), np.float32)


def _air_ways(rng: np.random.Generator, grid: Grid, film: FilmPlan) -> Array:
    """Trachea and main bronchi, and gas in the stomach of a patient who stands; mm of air."""
    trachea, bronchi, stomach = Canvas(grid), Canvas(grid), Canvas(grid)
    fork = np.array([film.shift * 0.6 - 1, -58.0])
    trachea.line(np.array([(0.0, -240), (0, -150), fork]), 15)
    bronchi.line(np.array([fork, moved(fork, -24, 22)]), 10)
    bronchi.line(np.array([fork, moved(fork, 32, 26)]), 8)
    at = np.array([rng.uniform(48, 70), rng.uniform(98, 116)])
    around = np.linspace(0, 2 * np.pi, 50)
    bubble = at + np.column_stack([rng.uniform(16, 34) * np.cos(around), rng.uniform(9, 17) * np.sin(around)])
    if film.erect:
        bubble[:, 1] = np.minimum(bubble[:, 1], at[1] + 4)  # its level
    stomach.polygon(bubble, 255 if rng.random() < 0.75 else 0)
    return (
        trachea.coverage(2.2) * np.float32(22)
        + bronchi.coverage(3.5) * np.float32(11)
        + stomach.coverage(1.5) * np.float32(38)
    )


def _breasts(rng: np.random.Generator, grid: Grid, size: float) -> Array:
    """Mm of tissue in front of the lower lungs."""
    total = np.zeros(grid.shape, np.float32)
    for sign in (-1, 1) if size else ():
        x, y = sign * (74 + rng.normal(0, 5)), 24 + rng.normal(0, 6) + 12 * size
        radius = 44 + 16 * size
        inner = (
            1
            - ((grid.x - np.float32(x)) / np.float32(radius)) ** 2
            - ((grid.y - np.float32(y)) / np.float32(0.86 * radius)) ** 2
        )
        total += np.sqrt(np.maximum(inner, 0)) * np.float32(34 * size)
    return np.asarray(cv2.GaussianBlur(total, (0, 0), max(0.4, 2.2 / grid.spacing)), np.float32)


def _overlays(patient: PatientPlan, film: FilmPlan, grid: Grid, shape: Outlines) -> Array:
    rng = random_stream(patient.seed, 5, patient.patient, film.number)
    total = np.zeros(grid.shape, np.float32)
    drawn = {
        "tracheal tube": lambda: tracheal_tube(rng, grid),
        "central line": lambda: central_line(rng, grid, film.side),
        "leads": lambda: leads(rng, grid),
        "pacemaker": lambda: pacemaker(rng, grid),
        "skin fold": lambda: skin_fold(rng, grid, film.side),
        "chest tube": lambda: chest_tube(rng, grid, shape, film.side),
    }
    for name in film.overlays:
        total += drawn[name]()
    return total


def _developed(density: Array, patient: PatientPlan, film: FilmPlan, grid: Grid, lungs: NDArray[np.bool_]) -> Array:
    """Grey levels as a digital detector and its processing make them: scatter, blur, noise, local contrast, a curve.

    The exposure is set by the lungs and by what is densest, as automatic exposure does. lungs: (size, size) bool.
    """
    rng = random_stream(patient.seed, 6, patient.patient, film.number)
    broad = np.asarray(cv2.GaussianBlur(density, (0, 0), 26 / grid.spacing), np.float32)
    density = density + np.float32(film.local) * (density - broad) - np.float32(0.08) * broad
    density = np.asarray(cv2.GaussianBlur(density, (0, 0), max(0.35, film.blur / grid.spacing)), np.float32)
    quanta = np.exp(density * np.float32(0.42))  # where fewer come through, their number varies more
    density += rng.standard_normal(density.shape, np.float32) * np.float32(film.noise) * quanta
    lung, dense = float(np.median(density[lungs])), float(np.percentile(density, 95))
    grey = film.lung_grey + (density - np.float32(lung)) * np.float32((0.9 - film.lung_grey) / (dense - lung))
    grey = np.maximum(grey, 0) * np.float32(film.bright)
    shoulder = np.float32(0.82)  # above it the curve flattens, below 0.1 too
    grey = np.where(grey > shoulder, shoulder + (1 - shoulder) * np.tanh((grey - shoulder) / (1 - shoulder)), grey)
    return np.clip(grey, 0, 1).astype(np.float32)
