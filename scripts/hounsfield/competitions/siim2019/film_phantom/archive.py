"""The phantom's archive: all films, the table of run lengths and the sample submission, in either stage's shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.archive_writer import AddFile, draw_patients, make_archive

from ..rle import EMPTY, encode
from .dicom_files import dicom_bytes, film_name, folder
from .films import draw_film
from .plans import plan_patient
from .recipe import TOP_FOLDERS, PhantomRecipe

IN_TWO_ROWS = 3  # every third positive film's mask is split over two rows
TWICE_IN_SAMPLE = 18  # in the first stage's sample, every so-manieth film has two rows
STAGE_1_TEST_SHARE = 8  # in the second stage, every eighth training patient was a test patient of the first


class PhantomFilm(NamedTuple):
    """One finished film."""

    film_id: str
    place: str  # its path below the folder of its set, without the name
    rows: tuple[str, ...]  # run lengths
    data: bytes


@dataclass(frozen=True)
class ArchiveSummary:
    """What was written, by this run or (written False) by an earlier one."""

    path: str
    train_films: int
    test_films: int
    positive_films: int  # of the training films
    written: bool = True


def render_patient(recipe: PhantomRecipe, patient: int) -> list[PhantomFilm]:
    """Every film of a patient. They depend on the number and the recipe's seed, size and stage alone."""
    plan = plan_patient(recipe.seed, patient, recipe.size)
    flat = recipe.stage == 2 and patient >= recipe.train_patients
    films = []
    for film in plan.films:
        drawn = draw_film(plan, film)
        name = film_name(plan, film, 2 if flat else 1)
        rows = _rows(drawn.mask, two=(patient + film.number) % IN_TWO_ROWS == 0)
        place = "" if flat else f"{folder(plan, film)}/"
        films.append(PhantomFilm(name, place, rows, dicom_bytes(plan, film, drawn.grey)))
    return films


def _rows(mask: NDArray[np.bool_], *, two: bool) -> tuple[str, ...]:
    """A film's rows in the table: one, or two that share its mask."""
    columns = np.flatnonzero(mask.any(axis=0))
    if not two or len(columns) < 2:
        return (encode(mask),)
    first = mask.copy()
    first[:, columns[len(columns) // 2] :] = False
    return encode(first), encode(mask & ~first)


def write_archive(path: Path, recipe: PhantomRecipe, jobs: int = -1, force: bool = False) -> ArchiveSummary:
    """Write the phantom's zip or folder as core.phantom_kit.archive_writer does. jobs: processes, -1: all cores."""
    values, written = make_archive(path, recipe, partial(_add_files, recipe, jobs), force=force)
    return ArchiveSummary(path=str(path), written=written, **values)


def _add_files(recipe: PhantomRecipe, jobs: int, add: AddFile) -> dict[str, Any]:
    """Hand over every film, patient by patient, then the two tables; returns the summary's values."""
    top, rows = TOP_FOLDERS[recipe.stage], {"train": {}, "test": {}}  # type: tuple[str, dict[str, dict[str, Any]]]
    for number, split, films in draw_patients(recipe, render_patient, jobs, "patient"):
        for film in films:
            rows[split][film.film_id] = film.rows
            add(f"{top}{_folder_of(recipe, number)}/{film.place}{film.film_id}.dcm", film.data)
    for name, content in _tables(recipe, rows["train"], rows["test"]).items():
        add(f"{top}{name}", content.encode())
    return {
        "train_films": len(rows["train"]),
        "test_films": len(rows["test"]),
        "positive_films": sum(found != (EMPTY,) for found in rows["train"].values()),
    }


def _folder_of(recipe: PhantomRecipe, number: int) -> str:
    """The folder of a patient's films."""
    if number >= recipe.train_patients:
        return "dicom-images-test" if recipe.stage == 1 else "stage_2_images"
    was_test = recipe.stage == 2 and number % STAGE_1_TEST_SHARE == STAGE_1_TEST_SHARE - 1
    return "dicom-images-test" if was_test else "dicom-images-train"


def _tables(recipe: PhantomRecipe, train: dict[str, Any], test: dict[str, Any]) -> dict[str, str]:
    """The tables by name, spelt as each stage spells them."""
    runs = [(film, row) for film in sorted(train) for row in train[film]]
    if recipe.stage == 1:
        again = sorted(test)[::TWICE_IN_SAMPLE]
        table = "".join(f"{film}, {row}\n" for film, row in runs)
        sample = "".join(f"{film},1 2\n" for film in sorted([*test, *again]))
        return {
            "train-rle.csv": f"ImageId, EncodedPixels\n{table}",
            "sample_submission.csv": f"ImageId,EncodedPixels\n{sample}",
        }
    table = "".join(f"{film},{row}\n" for film, row in runs)
    sample = "".join(f"{film},-1\n" for film in sorted(test))
    return {
        "stage_2_train.csv": f"ImageId,EncodedPixels\n{table}",
        "stage_2_sample_submission.csv": f"ImageId,EncodedPixels\n{sample}",
    }
