"""The folder that a person names for answers (`--out`): nothing that is there already may be lost by it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from hounsfield.core.errors import WrongUse
from hounsfield.core.foreign_text import one_line

OF_STAGES = ("data", "checkpoints")  # folders of a work folder in which stages alone write


def out_folder(text: str, work: Path, given: Sequence[str] = ()) -> Path:
    """The folder that `--out` names.

    work: the work folder. given: paths whose files are read. Raises WrongUse where nothing can be written, or where
    answers would be mixed with what a stage has made or reads.
    """
    folder = Path(text)
    place = folder.resolve()
    there = next(one for one in (place, *place.parents) if os.path.lexists(one))
    if not there.is_dir():
        raise WrongUse(f"--out {one_line(text)}: {one_line(there)} is a file; name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise WrongUse(f"--out {one_line(text)}: {one_line(there)} may not be written to; name another folder")
    for one in OF_STAGES:
        if place.is_relative_to((work / one).resolve()):
            raise WrongUse(
                f"--out {one_line(text)} lies in {work / one}, where stages alone write; name a folder outside"
            )
    for path in given:
        if Path(path).is_dir() and place.is_relative_to(Path(path).resolve()):
            raise WrongUse(
                f"--out {one_line(text)} lies in {one_line(path)}, whose files are read: "
                "the next time, pages would be taken for "
                "images. Name a folder outside"
            )
    return folder


def refuse_made_by_others(folder: Path, makers: Sequence[str] = ()) -> None:
    """Raise WrongUse for a folder that holds what a stage other than `makers` has made or begun."""
    from hounsfield.core.stages.outputs import maker  # brings pandas

    stage = maker(folder)
    if stage is not None and stage not in makers:
        raise WrongUse(
            f"{one_line(folder)} holds what {stage} has made, which would be lost; name another folder with --out"
        )


def refuse_other_files(folder: Path, own: Sequence[str]) -> None:
    """Raise WrongUse for a folder with files or folders that have none of the names in `own` (patterns)."""
    names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
    other = next((name for name in names if not any(fnmatch(name, pattern) for pattern in own)), None)
    if other is not None:
        raise WrongUse(
            f"{one_line(folder)} holds {one_line(other)}, which might be lost; name an empty folder with --out"
        )
