"""What the stages of this system share between the command line and the first file: remedies and folds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hounsfield.core.stages.command import Command, applied_to, check_name, chosen_folds, on_training_set, shown
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.pneumothorax.config import PneumothoraxConfig
from hounsfield.pneumothorax.paths import THRESHOLDS, TRAIN

PneumothoraxCommand = Command[PneumothoraxConfig]


def remedies(command: PneumothoraxCommand) -> RemedyOf:
    """The command that runs a stage with what this one was given. Films that are only predicted teach nothing."""

    def remedy_of(stage: str, *arguments: str) -> str:
        given = on_training_set(command) if stage in (TRAIN, THRESHOLDS) else command
        return given.remedy(f"{stage}.sh", *arguments)

    return remedy_of


def data_set_folds(command: PneumothoraxCommand, data: Upstream) -> list[int]:
    """The folds that were chosen, ascending. Raises WrongUse where the data set trained on has no such fold.

    data: the one that is worked on; of another one than that trained on the folds count for nothing.
    """
    if applied_to(command):
        return configured_folds(command)
    return sorted({int(fold) for fold in chosen_folds(command, data.record["settings"]["fold_count"])})


def configured_folds(command: PneumothoraxCommand) -> list[int]:
    """The folds that were chosen, among those that the configuration prepares. Raises WrongUse for others."""
    return sorted({int(fold) for fold in chosen_folds(command, command.config.prepare.fold_count)})


def command_of(command: PneumothoraxCommand, experiment: str) -> PneumothoraxCommand:
    """The command as one of a blend's experiments would be given, for remedies: its YAML lies beside the blend's."""
    check_name(experiment, "blend.experiment")
    config = Path(str(command.arguments.config[-1])).with_name(f"{experiment}.yaml")
    variables = command.variables | {"CONFIG": shown(config)}
    return replace(command, experiment=experiment, variables=variables, overrides=())


def experiments_of(command: PneumothoraxCommand) -> dict[str, PneumothoraxCommand]:
    """A blend's experiments and then the blend, or the one experiment, each with the command as it would be given."""
    members = [member.experiment for member in command.config.blend]
    return {**{name: command_of(command, name) for name in members}, command.experiment: command}
