"""The phantom's zip: all slices, the training labels and the sample submission, in the competition's shape."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hounsfield.core.errors import StaleOutput

from ..labels import CLASSES
from .dicom_files import dicom_bytes, slice_id
from .plans import plan_patient
from .recipe import LAYOUTS, PhantomRecipe
from .studies import draw_series

TIMESTAMP = (2019, 11, 13, 0, 0, 0)  # of every member, so that the same recipe gives the same bytes
DUPLICATED_SLICES = 4  # whose six rows stand in the training table twice, as in the competition's


class PhantomSlice(NamedTuple):
    """One finished file."""

    image_id: str
    labels: NDArray[np.int8]  # (6,)
    data: bytes


@dataclass(frozen=True)
class ArchiveSummary:
    """What was written, or found in place (written False)."""

    path: str
    train_slices: int
    test_slices: int
    positives: dict[str, int]  # training slices of each class
    truncated_image_id: str
    written: bool = True


def recipe_path(archive: Path) -> Path:
    """Where the recipe of an archive lies."""
    return archive.with_name(archive.name + ".recipe.json")


def render_patient(recipe: PhantomRecipe, patient: int) -> list[PhantomSlice]:
    """Every slice of a patient, as files; depends on the recipe's seed, size and slices and on the number alone."""
    plan = plan_patient(recipe.seed, patient, recipe.slices, recipe.size)
    files = []
    for series in plan.series:
        study = draw_series(plan, series)
        for i, hu in enumerate(study.hu):
            # One file of the set is damaged, as one is in the competition's.
            truncated = patient == 0 and series.number == 0 and i == len(study.hu) // 2
            data = dicom_bytes(plan, series, i, hu, truncated)
            files.append(PhantomSlice(slice_id(plan, series, i), study.labels[i], data))
    return files


def write_archive(path: Path, recipe: PhantomRecipe, jobs: int = -1, force: bool = False) -> ArchiveSummary:
    """Write the phantom's zip, patient by patient; an archive of the same recipe is left as it is.

    jobs: processes, -1 for one a core. force: replace whatever lies there; without it an archive of another recipe
    raises StaleOutput.
    """
    found = None if force else _existing(path, recipe)
    if found:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        summary = _write_members(temporary, path, recipe, jobs)
        recipe_path(path).unlink(missing_ok=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _write_recipe(path, recipe, summary)
    return summary


def _existing(path: Path, recipe: PhantomRecipe) -> ArchiveSummary | None:
    """What an earlier run with this recipe wrote; None where nothing lies."""
    if not path.exists():
        return None
    try:
        note = json.loads(recipe_path(path).read_text())
    except FileNotFoundError:
        note = {}
    if note.get("recipe") == recipe.to_json():
        return ArchiveSummary(**{**note["summary"], "written": False})
    known = "another recipe" if note else "an unknown recipe"
    raise StaleOutput(f"{path}: made with {known}. Choose another --output, or make it anew with --force.")


def _write_recipe(path: Path, recipe: PhantomRecipe, summary: ArchiveSummary) -> None:
    target = recipe_path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps({"recipe": recipe.to_json(), "summary": asdict(summary)}, indent=1) + "\n")
    os.replace(temporary, target)


def _patients(recipe: PhantomRecipe, jobs: int) -> Iterator[list[PhantomSlice]]:
    """Every patient in order. In batches, so that fast workers cannot pile up patients that wait to be written."""
    total = recipe.train_patients + recipe.test_patients
    with joblib.Parallel(n_jobs=jobs, return_as="generator") as parallel:
        batch = 4 * joblib.effective_n_jobs(jobs)
        for first in range(0, total, batch):
            some = range(first, min(first + batch, total))
            yield from parallel(joblib.delayed(render_patient)(recipe, patient) for patient in some)


def _write_members(temporary: Path, path: Path, recipe: PhantomRecipe, jobs: int) -> ArchiveSummary:
    method = zipfile.ZIP_STORED if recipe.compression == "stored" else zipfile.ZIP_DEFLATED
    labels: dict[str, dict[str, NDArray[np.int8]]] = {"train": {}, "test": {}}
    truncated = ""
    top, ending = LAYOUTS[recipe.layout]
    with temporary.open("wb") as file:
        with zipfile.ZipFile(file, "w", method) as archive:
            total = recipe.train_patients + recipe.test_patients
            patients = tqdm(_patients(recipe, jobs), total=total, desc="phantom patients", disable=None)
            for number, slices in enumerate(patients):
                split = "train" if number < recipe.train_patients else "test"
                if number == 0:
                    truncated = min(slices, key=lambda one: len(one.data)).image_id
                for one in slices:
                    labels[split][one.image_id] = one.labels
                    _add(archive, f"{top}stage_2_{split}{ending}/{one.image_id}.dcm", one.data)
            _add(archive, f"{top}stage_2_train.csv", _training_table(labels["train"]).encode())
            sample = _sample_submission(labels["test"])
            _add(archive, f"{top}stage_2_sample_submission.csv", sample.encode())
        file.flush()
        os.fsync(file.fileno())
    counts = np.sum(list(labels["train"].values()), axis=0, dtype=int)
    positives = {name: int(count) for name, count in zip(CLASSES, counts, strict=True)}
    return ArchiveSummary(str(path), len(labels["train"]), len(labels["test"]), positives, truncated)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, TIMESTAMP)
    member.compress_type = archive.compression
    member.external_attr = 0o644 << 16
    archive.writestr(member, data)


def _training_table(labels: dict[str, NDArray[np.int8]]) -> str:
    """ID,Label; six rows a slice, the rows of a few slices twice."""
    ids = sorted(labels)
    repeated = ids[:: max(1, len(ids) // DUPLICATED_SLICES)][:DUPLICATED_SLICES]
    rows = [f"{one}_{name},{labels[one][c]}" for one in [*ids, *repeated] for c, name in enumerate(CLASSES)]
    return "\n".join(["ID,Label", *rows]) + "\n"


def _sample_submission(labels: dict[str, NDArray[np.int8]]) -> str:
    rows = [f"{one}_{name},0.5" for one in sorted(labels) for name in CLASSES]
    return "\n".join(["ID,Label", *rows]) + "\n"
