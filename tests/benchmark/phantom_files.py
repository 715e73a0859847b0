"""Phantom slices in folders, to be prepared: a few drawn ones, and hard links to them for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hounsfield.competitions.rsna2019.head_phantom.archive import render_patient
from hounsfield.competitions.rsna2019.head_phantom.recipe import PhantomRecipe
from hounsfield.core.intake.archives import FileList, SourceFile, list_files


def write_phantoms(folder: Path, count: int, *, size: int) -> FileList:
    """Draw `count` slices of `size` x `size` pixels into `folder`, one file each."""
    recipe = PhantomRecipe(size=size, slices=(16, 16))
    folder.mkdir(parents=True)
    left, patient = count, 1  # patient 0 has the truncated file
    while left > 0:
        for one in render_patient(recipe, patient)[:left]:
            (folder / f"{one.image_id}.dcm").write_bytes(one.data)
            left -= 1
        patient += 1
    return list_files(folder)


def link_files(files: Sequence[SourceFile], folder: Path, count: int) -> FileList:
    """Fill `folder` with `count` hard links that go round `files`. File systems allow tens of thousands a file."""
    folder.mkdir(parents=True)
    for number in range(count):
        file = files[number % len(files)]
        (folder / f"ID_{number:09x}.dcm").hardlink_to(Path(file.container) / file.name)
    return list_files(folder)
