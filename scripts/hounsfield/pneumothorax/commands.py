"""What the stages of this system share between the command line and the first file: remedies and folds."""

from __future__ import annotations

from hounsfield.core.stages.command import Command, chosen_folds
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.pneumothorax.config import PneumothoraxConfig

PneumothoraxCommand = Command[PneumothoraxConfig]


def remedies(command: PneumothoraxCommand) -> RemedyOf:
    """The command that runs a stage with what this one was given."""

    def remedy_of(stage: str, *arguments: str) -> str:
        return command.remedy(f"{stage}.sh", *arguments)

    return remedy_of


def data_set_folds(command: PneumothoraxCommand, data: Upstream) -> list[int]:
    """The folds that were chosen, ascending. Raises WrongUse where the data set has no such fold."""
    return sorted({int(fold) for fold in chosen_folds(command, data.record["settings"]["fold_count"])})
