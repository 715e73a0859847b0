"""Studies that a person gives to be predicted: their data set's name, its preparation, and outputs kept up to date."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.errors import MissingInput, StaleOutput, UnusableSource, WrongUse
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.identifiers import read_identifiers
from hounsfield.core.intake.listings import files_digest, recorded_options
from hounsfield.core.intake.prepare_files import NoneUsable
from hounsfield.core.intake.sources import list_sources
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import RAW, Command, shown
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import RECORD, differences, read_record
from hounsfield.core.stages.study_names import free_name, name_after
from hounsfield.core.stages.variables import as_given
from hounsfield.core.storage.data_sets import data_folder
from hounsfield.core.storage.files import json_values, read_json

ResultT = TypeVar("ResultT")
OF_FOLDS = {"fold_count", "fold_seed"}  # settings of a preparation that change nothing of given studies


class Intake(NamedTuple):
    """What a competition's preparation calls its own: given studies must not become one of its data sets."""

    stage: str  # that prepares; a data set that another one has prepared is not this competition's
    reserved: tuple[str, ...]  # names of data sets
    lists: tuple[str, ...]  # options of the preparation that take several words
    places: str  # the one among them that names folders, archives and files of one's own, without its dashes


def own_places(given: Sequence[str], outputs: Path, data_set: str, intake: Intake) -> list[Path]:
    """Where one's own files lie. Raises WrongUse where they must not be prepared as this data set.

    given: as the option names them. outputs: the data set's folder.
    """
    if data_set in intake.reserved:
        raise WrongUse(f"--{intake.places} needs a data set of its own: name it with --data_set NAME")
    places = [Path(one).absolute() for one in given]
    for place in places:
        if outputs.is_relative_to(place.resolve()):
            raise WrongUse(
                f"{one_line(place)} holds the work folder's own outputs; name the folder of the DICOM files alone"
            )
    return places


def check_given(paths: Sequence[str], stage: str) -> list[Path]:
    """The paths, each place once. Raises WrongUse where there is none, and MissingInput for one that is not there."""
    if not paths:
        raise WrongUse(f"Which studies? Name folders, zip archives or DICOM files: sh bin/{stage}.sh PATH [PATH ...]")
    found: dict[Path, Path] = {}  # by the place that it leads to
    for path in map(Path, paths):
        if not path.exists():
            raise MissingInput(
                f"{one_line(path)} does not exist; name a folder, a zip archive or a DICOM file that is there"
            )
        same = found.setdefault(path.resolve(), path)
        if same is not path:
            logger.info("%s is given again as %s, and read once", shown(same), shown(path))
    return list(found.values())


def places_of(paths: Sequence[Path]) -> list[str]:
    """The places that paths lead to, in the one order in which a data set has them."""
    return sorted({str(path.resolve()) for path in paths})


def prepare_given(
    command: Command[Any],
    paths: Sequence[Path],
    intake: Intake,
    prepare: Callable[[Command[Any], Sequence[Path]], None],
    settings: Mapping[str, Any],
) -> Command[Any]:
    """Prepare what the paths hold, and return the same command for the data set that they have become.

    settings: of the preparation, which answers depend on, as `settings_of_given`. Raises WrongUse where
    nothing can be used; no new data set is left of that.
    """
    command = on_given(command, paths, intake, settings)
    places, folder = " ".join(shown(path) for path in paths), data_folder(command.work, command.data_set)
    is_own = not folder.exists() or (folder / RECORD).exists()  # another may hold files of a person
    is_new = is_own and read_record(folder) is None
    logger.info("predicting %s as the data set %s", places, command.data_set)
    try:
        prepare(command, paths)
    except NoneUsable as error:
        if is_new:
            shutil.rmtree(folder)
        raise WrongUse(f"{places}: {error.fact}") from None
    except (MissingInput, UnusableSource):
        if is_new and not (folder / RECORD).exists():  # nothing but a key
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return command


def settings_of_given(prepare: Any, *left_out: str) -> dict[str, Any]:
    """What of a preparation's configuration counts for given studies. left_out: names of further fields that do not."""
    return plain(prepare, "bad_share", *OF_FOLDS, *left_out)


def on_given(command: Command[Any], paths: Sequence[Path], intake: Intake, settings: Mapping[str, Any]) -> Command[Any]:
    """The same command, for the data set that these paths are, or are to become.

    Its name is the one that was asked for, or one after the paths that is free, or theirs already. The same paths may
    be a data set of another competition's kind, or prepared with other settings, too, which has another name. Raises
    WrongUse where the one that was asked for is not free, and StaleOutput where it was prepared with other settings.
    """
    asked, trained_on = command.arguments.apply_to, str(command.config.data_set)
    reserved = (RAW, *intake.reserved, trained_on.lower())
    if asked and asked.lower() in reserved:
        given_as = as_given("DATA_SET", "--apply-to", asked)
        raise WrongUse(f"{given_as} is not free for studies of your own; choose another name, or leave it out")
    given = places_of(paths)

    def is_free(name: str) -> bool:
        folder = data_folder(command.work, name)
        if not (folder / RECORD).exists():
            return True
        if made_by_other(folder, intake):
            return False
        if _prepared_otherwise(folder, settings):
            return False
        record = read_record(folder)
        if record is None:  # begun: by the same files?
            return bool(read_json(folder / RECORD)["inputs"].get("files", {}).get("sha256") == _digest(paths))
        return sorted(recorded_options(folder, intake.lists).get(intake.places, ())) == given

    if asked and made_by_other(data_folder(command.work, asked), intake):
        raise WrongUse(
            f"{as_given('DATA_SET', '--apply-to', asked)}: {data_folder(command.work, asked)} was prepared by another "
            f"stage than {intake.stage}; choose another name, or leave it out"
        )
    if asked and not command.force and (other := _prepared_otherwise(data_folder(command.work, asked), settings)):
        raise StaleOutput(
            f"{as_given('DATA_SET', '--apply-to', asked)}: {data_folder(command.work, asked)} was prepared with other "
            f"settings than this run's (then -> now): {'; '.join(other)}. Choose another name, or leave it out; or "
            "replace it, and what other runs have answered of it: the same command with --force"
        )
    name = asked or free_name(name_after(paths), reserved, is_free)
    return replace(command, data_set=name, variables={**command.variables, "DATA_SET": name})


def _prepared_otherwise(folder: Path, settings: Mapping[str, Any]) -> list[str]:
    """Which of the settings a data set, finished or begun, was prepared with others of, a line each."""
    if not (folder / RECORD).exists():
        return []
    before = read_json(folder / RECORD)["settings"]
    then = {name: before.get(name) for name in settings}
    return differences({"settings": then, "inputs": {}}, {"settings": json_values(dict(settings)), "inputs": {}})


def made_by_other(folder: Path, intake: Intake) -> bool:
    """Whether a folder holds a data set, finished or begun, of another competition's kind."""
    return (folder / RECORD).exists() and read_json(folder / RECORD)["stage"] != intake.stage


def _digest(paths: Sequence[Path]) -> str:
    return files_digest(list_sources(paths))


def prepare_options(command: Command[Any], paths: Sequence[Path], intake: Intake) -> list[str]:
    """Options for the preparation of the given studies: refused files cost themselves and never the others."""
    given = places_of(paths)
    options = ["--work", str(command.work), "--data_set", command.data_set, "--prepare.bad_share", "1"]
    options += ["--jobs", str(command.arguments.jobs)] if command.arguments.jobs else []
    folder = data_folder(command.work, command.data_set)
    known, record = recorded_options(folder, intake.lists), read_record(folder)
    same = sorted(known.get(intake.places, ())) == given  # what has gone or changed there goes here
    if command.force or same:
        options.append("--force")
    settings = {} if record is None else record["settings"]
    for name in OF_FOLDS & settings.keys():  # of another run they may differ, and its answers would count as stale
        options += [f"--prepare.{name}", str(settings[name])]
    return [*options, f"--{intake.places}", *given]


def up_to_date(step: Callable[[Command[Any]], ResultT], command: Command[Any]) -> ResultT:
    """Run a stage on the given studies, anew where they have changed: nothing of it cannot be made again.

    Raises StaleOutput where it is asked for with other settings than before, such as other folds.
    """
    try:
        return step(command)
    except StaleOutput as error:
        if error.settings:
            raise StaleOutput(
                f"{error.settings}\nReplace it: give the same command with --force. Or keep it, and have these answers "
                "under another name: put DATA_SET=NAME before the command"
            ) from None
        return step(replace(command, force=True))


def own_identifiers(paths: Sequence[Path], slices: pd.DataFrame) -> pd.DataFrame:
    """The identifiers in the headers of the files that became slices, by path. slices: path."""
    files = list_sources(paths)
    used = pc.is_in(files.labels, pa.array(slices["path"], pa.string())).to_numpy(zero_copy_only=False)
    return read_identifiers(files.take(used))
