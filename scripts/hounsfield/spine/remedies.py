"""What the stages of this system share between the command line and the first file: remedies, data set, folds."""

from __future__ import annotations

from dataclasses import replace

from hounsfield.core.stages.command import ALL, Command, chosen_folds, on_training_set
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.spine.config import SpineConfig
from hounsfield.spine.paths import BOXES, FRACTURE, STUDY, VERTEBRAE

SpineCommand = Command[SpineConfig]
ANSWERS_ALL = (BOXES, VERTEBRAE)  # stages whose output needs the networks of all folds
TRAINS_ALONE = (VERTEBRAE, FRACTURE, STUDY)  # stages that know the training's data set and no other


def remedies(command: SpineCommand) -> RemedyOf:
    """The command that runs a stage with what this one was given."""

    def remedy_of(stage: str, *arguments: str) -> str:
        given = on_training_set(command) if stage in TRAINS_ALONE else command
        if stage in ANSWERS_ALL:
            given = replace(
                given, variables={name: value for name, value in given.variables.items() if name != "FOLDS"}
            )
        return given.remedy(f"{stage}.sh", *arguments)

    return remedy_of


def folds_to_train(command: SpineCommand, data: Upstream, *, refit: bool) -> list[str]:
    """The folds of the command line; else the configuration's and, with `refit`, `all`, which trains on every study.

    data: the data set that is trained on. Raises WrongUse where it has no such fold.
    """
    folds = chosen_folds(command, data.record["settings"]["fold_count"], single=True)
    return [*folds, ALL] if refit and ALL not in folds and not command.arguments.get("fold") else folds
