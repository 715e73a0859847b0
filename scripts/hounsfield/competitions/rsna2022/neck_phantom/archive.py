"""The phantom's archive: slices, segmentations and tables in the competition's shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.archive_writer import AddFile, draw_patients, make_archive

from ..labels import NAMES
from .dicom_files import dicom_bytes, study_uid
from .plans import StudyPlan, plan_study
from .recipe import PhantomRecipe
from .segmentation import nifti_bytes
from .studies import draw_study


class PhantomStudy(NamedTuple):
    """One finished study."""

    uid: str
    labels: tuple[int, ...]  # patient_overall, C1 to C7
    files: dict[int, bytes]  # by number
    segmentation: bytes | None
    boxes: tuple[str, ...]  # rows of the boxes' table: where fractures are seen


@dataclass(frozen=True)
class ArchiveSummary:
    """What was written, by this run or (written False) by an earlier one."""

    path: str
    train_studies: int
    test_studies: int
    fractured_studies: int  # of the training studies
    segmentations: int
    slices: int  # of all studies
    written: bool = True


def render_study(recipe: PhantomRecipe, number: int) -> PhantomStudy:
    """A study's files. They depend on the number and the recipe's seed, size and spacing alone."""
    plan = plan_study(recipe, number)
    study = draw_study(plan)
    by_number = np.argsort(plan.numbers)  # the k-th file is the slice by_number[k]
    segmented = number < recipe.train_patients and recipe.segmented(number)
    return PhantomStudy(
        uid=study_uid(plan),
        labels=plan.labels,
        files={file: dicom_bytes(plan, file, study.hu[i]) for file, i in enumerate(by_number, 1)},
        segmentation=nifti_bytes(plan, study.labels) if segmented else None,
        boxes=_boxes(plan, study.gaps[by_number]),
    )


def _boxes(plan: StudyPlan, gaps: NDArray[np.bool_]) -> tuple[str, ...]:
    """A row for each slice that shows a fracture: its box's corner and size in pixels, and the file's number.

    gaps: fracture lines, (slices, rows, columns) in the order of the files.
    """
    rows = []
    for number, shown in enumerate(gaps, 1):
        row, column = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        if len(row):
            corner = f"{column[0]}.0,{row[0]}.0"
            rows.append(f"{study_uid(plan)},{corner},{np.ptp(column) + 1}.0,{np.ptp(row) + 1}.0,{number}")
    return tuple(rows)


def write_archive(path: Path, recipe: PhantomRecipe, jobs: int = -1, force: bool = False) -> ArchiveSummary:
    """Write the phantom's zip or folder as core.phantom_kit.archive_writer does. jobs: processes, -1: all cores."""
    values, written = make_archive(path, recipe, partial(_add_files, recipe, jobs), force=force)
    return ArchiveSummary(path=str(path), written=written, **values)


def _add_files(recipe: PhantomRecipe, jobs: int, add: AddFile) -> dict[str, Any]:
    """Hand over every file, study by study, then the tables; returns the summary's values."""
    labels: dict[str, dict[str, tuple[int, ...]]] = {"train": {}, "test": {}}
    boxes: list[str] = []
    segmentations = slices = 0
    for _, split, study in draw_patients(recipe, render_study, jobs, "study"):
        labels[split][study.uid] = study.labels
        for file, data in study.files.items():
            add(f"{split}_images/{study.uid}/{file}.dcm", data)
        if study.segmentation is not None:
            add(f"segmentations/{study.uid}.nii", study.segmentation)
        slices += len(study.files)
        segmentations += study.segmentation is not None
        boxes += study.boxes if split == "train" else ()
    for name, lines in _tables(labels, boxes).items():
        add(name, ("\n".join(lines) + "\n").encode())
    return {
        "train_studies": recipe.train_patients,
        "test_studies": recipe.test_patients,
        "fractured_studies": sum(one[0] for one in labels["train"].values()),
        "segmentations": segmentations,
        "slices": slices,
    }


def _tables(labels: dict[str, dict[str, tuple[int, ...]]], boxes: list[str]) -> dict[str, list[str]]:
    """The tables' lines by name."""
    train = [f"{uid},{','.join(map(str, row))}" for uid, row in labels["train"].items()]
    asked = [(f"{uid}_{name}", uid, name) for uid in labels["test"] for name in NAMES]
    return {
        "train.csv": [f"StudyInstanceUID,{','.join(NAMES)}", *train],
        "test.csv": ["row_id,StudyInstanceUID,prediction_type", *(",".join(row) for row in asked)],
        "sample_submission.csv": ["row_id,fractured", *(f"{row},0.5" for row, _, _ in asked)],
        "train_bounding_boxes.csv": ["StudyInstanceUID,x,y,width,height,slice_number", *boxes],
    }
