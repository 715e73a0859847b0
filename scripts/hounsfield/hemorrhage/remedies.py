"""What the stages of this system share between the command line and the first file: remedies, data set, folds."""

from __future__ import annotations

from hounsfield.core.errors import StaleOutput
from hounsfield.core.stages.command import Command, chosen_folds, on_training_set
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.hemorrhage.config import HemorrhageConfig
from hounsfield.hemorrhage.paths import TRAIN_CLASSIFIER

HemorrhageCommand = Command[HemorrhageConfig]


def remedies(command: HemorrhageCommand) -> RemedyOf:
    """The command that runs a stage with what this one was given. Classifiers know their own data set alone."""

    def remedy_of(stage: str, *arguments: str) -> str:
        given = on_training_set(command) if stage == TRAIN_CLASSIFIER else command
        return given.remedy(f"{stage}.sh", *arguments)

    return remedy_of


def data_set_folds(command: HemorrhageCommand, data: Upstream, stage: str) -> list[str]:
    """The folds that were chosen, among those of the data set that is trained on.

    data: the data set that is worked on. stage: the one that asks. Raises WrongUse when there is no such fold, and
    StaleOutput when the data set and the configuration that trains on it differ in their number.
    """
    configured = command.config.prepare.fold_count
    trains = command.data_set == command.config.data_set
    count = data.record["settings"]["fold_count"] if trains else configured
    if count != configured:
        known = [fold for fold in command.folds if not fold.isdecimal() or int(fold) < count]
        folds = () if len(known) == len(command.folds) else ("--fold", *(known or map(str, range(count))))
        keep = command.remedy(f"{stage}.sh", *folds)
        raise StaleOutput(
            f"{data.folder} was prepared with {count} folds, and prepare.fold_count is {configured}. Prepare it again: "
            f"{data.remedy} --force\nOr keep its folds: {keep} --prepare.fold_count {count}"
        )
    return chosen_folds(command, count, single=True)
