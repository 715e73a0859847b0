"""What the programs of one experiment share: the commands that they name, its slices, and its folds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hounsfield.competitions.rsna2019.paths import PREPARE, data_folder
from hounsfield.core.errors import StaleOutput
from hounsfield.core.stages.command import Command, chosen_folds, on_training_set
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import differences
from hounsfield.core.stages.upstream import RemedyOf, Upstream, reading, require
from hounsfield.core.storage.files import json_values
from hounsfield.stacking.config import DataConfig, StackingConfig
from hounsfield.stacking.paths import DATA, TRAIN, stacking_data_folder

StackingCommand = Command[StackingConfig]
# of a program's own options, those that a stage named in a message takes, too
PASSED_ON = {"network": ("run_42", "run_43"), "booster": ("run_44", "run_45"), "stopping": ("run_44",)}


def remedies(command: StackingCommand) -> RemedyOf:
    """Gives the command that runs a stage as this program was started. Classifiers know their own data set alone."""

    def remedy_of(stage: str) -> str:
        options: list[str] = []
        for name, stages in PASSED_ON.items():
            if stage.startswith(stages) and command.arguments.get(name):
                options += [f"--{name}", *command.arguments[name]]
        given = on_training_set(command) if stage == TRAIN else command
        return given.remedy(f"{stage}.sh", *options, same_config=stage != PREPARE)

    return remedy_of


def data_settings(config: DataConfig) -> dict[str, object]:
    """What the slices of an experiment depend on, beside the data set."""
    return plain(config, "bad_share")


@contextmanager
def open_stacking_data(command: StackingCommand, stage: str) -> Iterator[Upstream]:
    """This experiment's slices, for as long as the context lasts: they cannot be replaced, nor can their data set.

    stage: that asks. Raises MissingInput, or StaleOutput where they are not what the configuration says.
    """
    folder = stacking_data_folder(command.work, command.data_set, command.experiment)
    found = require(command.work, folder, DATA, remedies(command))
    with reading(data_folder(command.work, command.data_set)), reading(folder):
        then, now = found.record["settings"], json_values(data_settings(command.config.data))
        changes = differences({"settings": then, "inputs": {}}, {"settings": now, "inputs": {}})
        if changes:
            listing = "\n".join(f"  {change}" for change in changes)
            given = [word for name in then if then[name] != now[name] for word in (f"--data.{name}", str(then[name]))]
            raise StaleOutput(
                f"{folder} was made with other settings (then -> now):\n{listing}\n"
                f"Make it anew: {found.remedy} --force\n"
                f"or go on with what there is: {command.remedy(f'{stage}.sh', *given)}"
            )
        yield found


def stacking_folds(command: StackingCommand, data: Upstream) -> list[int]:
    """The folds of the command line, the configuration's when it has none, ascending. Raises WrongUse for others."""
    return sorted({int(fold) for fold in chosen_folds(command, data.record["settings"]["fold_count"])})
