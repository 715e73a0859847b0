"""The phantom's archive: all slices, the training labels and the sample submission, in the competition's shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.archive_writer import AddFile, draw_patients, make_archive

from ..labels import CLASSES
from .dicom_files import dicom_bytes, slice_id
from .plans import plan_patient
from .recipe import LAYOUTS, PhantomRecipe
from .studies import draw_series

DUPLICATED_SLICES = 4  # their six rows are in the training table twice, as some are in the competition's


class PhantomSlice(NamedTuple):
    """One finished file."""

    image_id: str
    labels: NDArray[np.int8]  # (6,)
    data: bytes


@dataclass(frozen=True)
class ArchiveSummary:
    """What was written, by this run or (written False) by an earlier one."""

    path: str
    train_slices: int
    test_slices: int
    positives: dict[str, int]  # training slices of each class
    truncated_image_id: str
    written: bool = True


def render_patient(recipe: PhantomRecipe, patient: int) -> list[PhantomSlice]:
    """Every slice of a patient as a file. They depend on its number and the recipe's seed, size, slices and noise."""
    plan = plan_patient(recipe.seed, patient, recipe.slices, recipe.size)
    plan = replace(plan, series=tuple(replace(series, noise=series.noise * recipe.noise) for series in plan.series))
    files = []
    for series in plan.series:
        study = draw_series(plan, series)
        for i, hu in enumerate(study.hu):
            # One file is damaged, as one of the competition's is.
            truncated = patient == 0 and series.number == 0 and i == len(study.hu) // 2
            data = dicom_bytes(plan, series, i, hu, truncated)
            files.append(PhantomSlice(slice_id(plan, series, i), study.labels[i], data))
    return files


def write_archive(path: Path, recipe: PhantomRecipe, jobs: int = -1, force: bool = False) -> ArchiveSummary:
    """Write the phantom's zip (a folder where the name does not end in .zip); one of the same recipe is left as it is.

    jobs: processes, -1 for one per core. force: replace an archive of another recipe, which otherwise raises
    StaleOutput.
    """
    values, written = make_archive(path, recipe, partial(_add_files, recipe, jobs), force=force)
    return ArchiveSummary(path=str(path), written=written, **values)


def _add_files(recipe: PhantomRecipe, jobs: int, add: AddFile) -> dict[str, Any]:
    """Hand over every file, patient by patient, then the two tables; returns the summary's values."""
    labels: dict[str, dict[str, NDArray[np.int8]]] = {"train": {}, "test": {}}
    truncated = ""
    top, ending = LAYOUTS[recipe.layout]
    for number, split, slices in draw_patients(recipe, render_patient, jobs, "patient"):
        if number == 0:
            truncated = min(slices, key=lambda one: len(one.data)).image_id
        for one in slices:
            labels[split][one.image_id] = one.labels
            add(f"{top}stage_2_{split}{ending}/{one.image_id}.dcm", one.data)
    add(f"{top}stage_2_train.csv", _training_table(labels["train"]).encode())
    add(f"{top}stage_2_sample_submission.csv", _sample_submission(labels["test"]).encode())
    counts = np.sum(list(labels["train"].values()), axis=0, dtype=int)
    return {
        "train_slices": len(labels["train"]),
        "test_slices": len(labels["test"]),
        "positives": {name: int(count) for name, count in zip(CLASSES, counts, strict=True)},
        "truncated_image_id": truncated,
    }


def _training_table(labels: dict[str, NDArray[np.int8]]) -> str:
    """ID,Label: six rows per slice, and those of a few slices twice."""
    ids = sorted(labels)
    repeated = ids[:: max(1, len(ids) // DUPLICATED_SLICES)][:DUPLICATED_SLICES]
    rows = [f"{one}_{name},{labels[one][c]}" for one in [*ids, *repeated] for c, name in enumerate(CLASSES)]
    return "\n".join(["ID,Label", *rows]) + "\n"


def _sample_submission(labels: dict[str, NDArray[np.int8]]) -> str:
    rows = [f"{one}_{name},0.5" for one in sorted(labels) for name in CLASSES]
    return "\n".join(["ID,Label", *rows]) + "\n"
