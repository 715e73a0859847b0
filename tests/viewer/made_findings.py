"""Findings and pixels made by hand: a head with noise, a neck with curves, a film; and texts that mean harm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.study_findings import (
    ModelValues,
    PointMet,
    RunFacts,
    SeriesFindings,
    StudyAnswer,
    StudyFindings,
)
from hounsfield.core.imaging.series_view import (
    GREY,
    HOUNSFIELD,
    Boxes,
    Contours,
    Curves,
    Heat,
    Overlay,
    SeriesPixels,
)

BLEEDS = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any")
VERTEBRAE = tuple(f"C{number}" for number in range(1, 8))
RUN = "hemorrhage/quickstart"
HOSTILE = "</script><script>document.title = 'stolen'</script>\"'><img src=x onerror=alert(1)> =cmd|' /C calc'!A0"


def made_head(slices: int = 12, rows: int = 96, columns: int = 80, seed: int = 1) -> SeriesPixels:
    """A skull with a noisy brain, blood on some slices, and values beyond every window."""
    draw = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    away = np.hypot(y / 0.9, x / 0.8)
    hu = np.where(away < 1, 1200.0, -1000.0) * np.ones((slices, 1, 1))
    hu[:, away < 0.88] = 35
    blood = np.hypot(y - 0.2, x - 0.3) < 0.25
    hu[slices // 3 : slices // 2, blood] = 70
    hu += draw.normal(0, 8, hu.shape)
    hu[0, 0, :4] = (-3000, 3000, -1350, 1300)
    positions = 5.0 * np.arange(slices)
    return SeriesPixels(hu.round().astype(np.int16), HOUNSFIELD, positions, (2.0, 2.0), ("R", "L", "A", "P"))


def made_overlays(pixels: SeriesPixels) -> list[Overlay]:
    """Heat for two classes, an outline and a box on some slices."""
    count, rows, columns = pixels.values.shape
    y, x = np.mgrid[0:12, 0:10]
    spot = np.exp(-((y - 6) ** 2 + (x - 6) ** 2) / 8)
    strength = np.linspace(0.2, 1, count)[:, None, None]
    heat = (255 * strength * spot).astype(np.uint8)
    square = np.array([[10, 20], [30, 20], [30, 50], [10, 50]], float)
    corners = np.tile([8.0, 8.0, columns - 8.0, rows - 8.0], (count, 1))
    corners[0] = np.nan
    return [
        Heat("classifier", "any", heat),
        Heat("classifier", "subdural", heat[::-1]),
        Contours("blood", tuple((square,) if number % 2 else () for number in range(count))),
        Boxes("head", corners),
    ]


def made_slices(count: int, files: Sequence[str] | None = None, flags: str = "") -> pd.DataFrame:
    """A table of slices, the second one with a flag."""
    numbers = np.arange(count)
    return pd.DataFrame(
        {
            "file": files or [f"series/{number:02d}.dcm" for number in numbers],
            "image_id": [f"ID_{number:04d}" for number in numbers],
            "position_mm": 5.0 * numbers,
            "order": numbers,
            "flags": [flags or "the pixel spacing is missing" if number == 1 else "" for number in numbers],
        }
    )


def made_points(threshold: float, raw: float) -> list[PointMet]:
    """The three operating points around a threshold."""
    return [
        PointMet("sensitivity_95", threshold / 2, raw >= threshold / 2, 0.94, 0.41, (0.88, 0.98), (0.3, 0.5)),
        PointMet("specificity_95", threshold * 2, raw >= threshold * 2, 0.52, 0.95),
        PointMet("youden", threshold, raw >= threshold, None, None),
    ]


def made_runs(name: str = RUN) -> list[RunFacts]:
    """One run with two scored systems."""
    scores = [
        {"system": "prior", "weighted_log_loss": 0.2495, "low": 0.21, "high": 0.296, "auc_any": 0.5, "patients": 80},
        {"system": "bag", "weighted_log_loss": 0.1913, "low": 0.156, "high": 0.233, "auc_any": 0.86, "patients": 80},
    ]
    models = {"checkpoints/hemorrhage/quickstart/fold0": "ab" * 32}
    return [RunFacts(name, "0123456789abcdef" * 4, models, "80 phantoms", "their out-of-fold slices", scores)]


def made_findings(
    count: int = 12,
    *,
    names: tuple[str, ...] = BLEEDS,
    system: str = "hemorrhage",
    with_models: bool = True,
    text: str = "",
    calibrated: bool = True,
) -> StudyFindings:
    """A study with one series of two models. text: stands wherever a text may come from outside."""
    draw = np.random.default_rng(3)
    bump = np.exp(-((np.arange(count)[:, None] - count * 0.42) ** 2) / (count / 2))
    raw = np.clip(bump * draw.uniform(0.1, 0.95, len(names)) + draw.uniform(0, 0.05, (count, len(names))), 0, 1)
    sequence = np.clip(raw * 1.05, 0, 1)
    models = [
        ModelValues(RUN, "classifier", raw, raw**1.5 if calibrated else None),
        ModelValues(RUN, "sequence", sequence, sequence**1.5 if calibrated else None),
    ]
    truth = np.where(raw > 0.4, 1.0, 0.0)
    truth[-1] = np.nan
    answers = [
        StudyAnswer(RUN, name, float(raw[:, i].max()), float(raw[:, i].max()) ** 1.5, "largest mean of 3 neighbours",
                    made_points(0.3, float(raw[:, i].max())))
        for i, name in enumerate(names)
    ]  # fmt: skip
    files = [text or f"ct/{number:03d}.dcm" for number in range(count)]
    if not with_models:
        models, truth = [], None
    series = SeriesFindings(text or "9f3c2a71d0", made_slices(count, files, text), models, truth)
    refused = pd.DataFrame(
        [[text or "ct/notes.txt", "not_dicom", text or "no DICOM file"]], columns=["path", "reason", "message"]
    )
    return StudyFindings(
        system=system,
        study=text or "4be1c07a92",
        names=names,
        runs=made_runs(text or RUN),
        answers=answers,
        series=[series],
        truth={name: float(i % 2) for i, name in enumerate(names)},
        warnings=[text or "the models learnt from phantoms alone: their answers for people mean nothing"],
        refused=refused,
        seconds={"reading": 1.2, "predicting": 3.4},
    )


def made_neck(slices: int = 40, rows: int = 64, columns: int = 48) -> tuple[SeriesPixels, list[Overlay]]:
    """A column of seven vertebrae, head to feet, with a box and a curve for each."""
    y, x = np.mgrid[0:rows, 0:columns]
    bone = np.hypot((y - rows / 2) / 14, (x - columns / 2) / 12) < 1
    at = np.arange(slices)
    away = np.abs(at[:, None] - slices * (np.arange(7) + 0.5) / 7) * 7 / slices  # in vertebrae
    values = np.clip(1 - away, 0, 1)
    hu = np.full((slices, rows, columns), -200.0)
    hu[:, bone] = 150 + 500 * values.max(1)[:, None]
    positions = -2.0 * at
    pixels = SeriesPixels(hu.astype(np.int16), HOUNSFIELD, positions, (1.0, 1.0), ("R", "L", "A", "P"))
    corners = np.tile([columns / 2 - 14.0, rows / 2 - 16.0, columns / 2 + 14.0, rows / 2 + 16.0], (slices, 1))
    return pixels, [
        Curves("network", VERTEBRAE, values),
        Curves("segmentation", VERTEBRAE, values**2),
        Boxes("neck", corners),
    ]


def made_film(rows: int = 128, columns: int = 112) -> tuple[SeriesPixels, list[Overlay]]:
    """A chest film of greys, with an outline."""
    y, x = np.mgrid[0:rows, 0:columns]
    grey = 90 + 80 * np.cos(x / 12) * np.sin(y / 20)
    pixels = SeriesPixels(grey.astype(np.int16)[None], GREY, np.array([np.nan]), None, None)
    edge = np.array([[70, 20], [95, 24], [100, 60], [80, 50]], float)
    return pixels, [Contours("pneumothorax", ((edge,),))]
