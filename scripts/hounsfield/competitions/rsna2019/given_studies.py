"""Studies that a person gives to be predicted: their data set's name, its preparation, and outputs kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.competitions.rsna2019.paths import PHANTOM, data_folder
from hounsfield.competitions.rsna2019.source import LISTS
from hounsfield.core.errors import MissingInput, StaleOutput, WrongUse
from hounsfield.core.intake.identifiers import read_identifiers
from hounsfield.core.intake.listings import files_digest, recorded_options
from hounsfield.core.intake.sources import list_sources
from hounsfield.core.stages.command import Command, shown
from hounsfield.core.stages.outputs import RECORD, read_record
from hounsfield.core.stages.study_names import free_name, name_after
from hounsfield.core.storage.files import read_json

RESERVED = ("raw", "rsna2019", PHANTOM)
ResultT = TypeVar("ResultT")


def check_given(paths: Sequence[str], stage: str) -> list[Path]:
    """The paths as such. Raises WrongUse where there is none, and MissingInput for one that is not there."""
    if not paths:
        raise WrongUse(f"Which studies? Name folders, zip archives or DICOM files: sh bin/{stage}.sh PATH [PATH ...]")
    found = [Path(one) for one in paths]
    for path in found:
        if not path.exists():
            raise MissingInput(f"{path} does not exist; name a folder, a zip archive or a DICOM file that is there")
    return found


def on_given(command: Command[Any], paths: Sequence[Path]) -> Command[Any]:
    """The same command, for the data set that these paths are, or are to become.

    Its name is the one that was asked for, or one after the paths that is free, or theirs already.
    """
    asked, trained_on = command.arguments.apply_to, str(command.config.data_set)
    if asked and asked.lower() in (*RESERVED, trained_on.lower()):
        raise WrongUse(f"DATA_SET={asked} is not free for studies of your own; choose another name, or leave it out")
    given = [str(path.resolve()) for path in paths]

    def is_free(name: str) -> bool:
        folder = data_folder(command.work, name)
        if not (folder / RECORD).exists():
            return True
        record = read_record(folder)
        if record is None:  # begun: by the same files?
            return bool(read_json(folder / RECORD)["inputs"].get("files", {}).get("sha256") == _digest(paths))
        return bool(recorded_options(folder, LISTS).get("images") == given)

    name = asked or free_name(name_after(paths), (*RESERVED, trained_on.lower()), is_free)
    return replace(command, data_set=name, variables={**command.variables, "DATA_SET": name})


def _digest(paths: Sequence[Path]) -> str:
    return files_digest(list_sources(paths))


def prepare_options(command: Command[Any], paths: Sequence[Path]) -> list[str]:
    """Options for the preparation of the given studies: refused files cost themselves and never the others."""
    given = [str(path.resolve()) for path in paths]
    options = ["--work", str(command.work), "--data_set", command.data_set, "--prepare.bad_share", "1"]
    options += ["--jobs", str(command.arguments.jobs)] if command.arguments.jobs else []
    known = recorded_options(data_folder(command.work, command.data_set), LISTS)
    if command.force or known.get("images") == given:  # the same place: what has gone or changed there goes here
        options.append("--force")
    return [*options, "--images", *given]


def up_to_date(step: Callable[[Command[Any]], ResultT], command: Command[Any]) -> ResultT:
    """Run a stage on the given studies, anew where they have changed: nothing of it cannot be made again."""
    try:
        return step(command)
    except StaleOutput:
        return step(replace(command, force=True))


def own_identifiers(paths: Sequence[Path], slices: pd.DataFrame) -> pd.DataFrame:
    """The identifiers in the headers of the files that became slices, by path. slices: path."""
    files = list_sources(paths)
    used = pc.is_in(files.labels, pa.array(slices["path"], pa.string())).to_numpy(zero_copy_only=False)
    return read_identifiers(files.take(used))


def say_names(command: Command[Any], paths: Sequence[Path]) -> str:
    """One line: what is predicted, under which name."""
    return f"predicting {' '.join(shown(path) for path in paths)} as the data set {command.data_set}"
