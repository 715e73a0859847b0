"""A phantom data set on disk: one zip, or a folder, with what it was made from in a file beside it.

The same recipe gives the same bytes, so an archive of the same recipe is left as it is. It appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import joblib

from hounsfield.core.errors import StaleOutput
from hounsfield.core.logs import progress
from hounsfield.core.phantom_kit.recipe import ArchiveRecipe
from hounsfield.core.storage.files import locked, read_json, unwritable_named, write_bytes

TIMESTAMP = (2019, 11, 13, 0, 0, 0)  # of every member of a zip, so that the same recipe gives the same bytes
PATIENTS_PER_PROCESS = 4  # drawn ahead of the writing

Drawn = TypeVar("Drawn")
RecipeT = TypeVar("RecipeT", bound=ArchiveRecipe)
Json = dict[str, Any]
AddFile = Callable[[str, bytes], None]  # path within the archive, content
Fill = Callable[[AddFile], Json]


def recipe_path(archive: Path) -> Path:
    """Where the recipe of an archive lies."""
    return archive.with_name(archive.name + ".recipe.json")


def draw_patients(
    recipe: RecipeT, draw: Callable[[RecipeT, int], Drawn], jobs: int, unit: str
) -> Iterator[tuple[int, str, Drawn]]:
    """Number, split and drawing of every patient, in order, drawn by `jobs` processes (-1: one per core).

    draw: what it makes of the recipe and a number. unit: what is drawn, for the progress.
    """
    count = recipe.train_patients + recipe.test_patients
    drawn = _drawn(partial(draw, recipe), count, jobs)
    for number, one in enumerate(progress(drawn, total=count, unit=unit, label="phantoms")):
        yield number, "train" if number < recipe.train_patients else "test", one


def _drawn(draw: Callable[[int], Drawn], count: int, jobs: int) -> Iterator[Drawn]:
    """Drawn in batches, so that patients that wait to be written do not fill the memory."""
    with joblib.Parallel(n_jobs=jobs, return_as="generator") as parallel:
        batch = PATIENTS_PER_PROCESS * joblib.effective_n_jobs(jobs)
        for first in range(0, count, batch):
            numbers = range(first, min(first + batch, count))
            yield from parallel(joblib.delayed(draw)(number) for number in numbers)


def make_archive(path: Path, recipe: ArchiveRecipe, fill: Fill, *, force: bool) -> tuple[Json, bool]:
    """Write a phantom data set, unless the one that is there was made from this recipe.

    path: a zip where it ends in .zip, otherwise a folder. recipe: everything that the bytes depend on. fill: hands each
    file to the function that it is given, and returns a summary. force: replace an archive of another recipe and a file
    of unknown origin; a folder of unknown origin is never replaced.
    Returns the summary and whether anything was written. Raises StaleOutput where what is there must stay, WrongUse
    while another run writes there, BadInput where the disk is full or read-only.
    """
    with unwritable_named(path), locked(path.parent):
        found = _summary_found(path, recipe.to_json(), force)
        if found is not None:
            return found, False
        unfinished, old = (path.with_name(f".{path.name}.{state}") for state in ("partial", "old"))
        _remove(unfinished)
        try:
            as_zip = path.suffix == ".zip"
            summary = _fill_zip(unfinished, fill, recipe.compression) if as_zip else _fill_folder(unfinished, fill)
            _remove(old)
            if path.exists():
                path.replace(old)
            # Killed between these lines, a run leaves nothing at `path`: no recipe lies beside another's archive.
            note = json.dumps({"recipe": recipe.to_json(), "summary": summary}, indent=1) + "\n"
            write_bytes(recipe_path(path), note.encode())
            unfinished.replace(path)
        finally:
            _remove(unfinished)
        _remove(old)
    return summary, True


def _summary_found(path: Path, recipe: Json, force: bool) -> Json | None:
    """The summary that an earlier run with this recipe left; None where the archive is to be written."""
    if not path.exists():
        return None
    note = read_json(recipe_path(path)) if recipe_path(path).exists() else None
    if note is None and path.is_dir():
        raise StaleOutput(f"{path}: a folder that holds no phantoms. Choose another output, or remove the folder.")
    if force:
        return None
    if note is not None and note["recipe"] == recipe:
        return dict(note["summary"])
    known = "another" if note else "an unknown"
    raise StaleOutput(f"{path}: made from {known} recipe. Choose another output, or replace it with --force.")


def _fill_zip(path: Path, fill: Fill, compression: str) -> Json:
    method = zipfile.ZIP_DEFLATED if compression == "deflated" else zipfile.ZIP_STORED
    with path.open("wb") as file:
        with zipfile.ZipFile(file, "w", method) as archive:

            def add(name: str, data: bytes) -> None:
                member = zipfile.ZipInfo(name, TIMESTAMP)
                member.compress_type = method
                member.external_attr = 0o644 << 16
                archive.writestr(member, data)

            summary = fill(add)
        file.flush()
        os.fsync(file.fileno())
    return summary


def _fill_folder(path: Path, fill: Fill) -> Json:
    def add(name: str, data: bytes) -> None:
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    path.mkdir()
    return fill(add)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
