"""The bag: the plain mean over networks and seeds, of out-of-fold studies and of those without labels.

M out-of-fold studies, N studies, 8 names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import LABELS
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.predictions import Rows, mean_of_tables
from hounsfield.core.stages.command import ALL, chosen_folds, on_training_set
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.outputs import Input
from hounsfield.core.stages.upstream import check_made, require
from hounsfield.spine.network_run import Trained, keys_of
from hounsfield.spine.paths import STUDY, TABLE
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.study_run import StudyRun

ANSWERS = "test"  # the part of the ledger that is of studies without labels


Member = Trained[StudyRun]  # its weights, or what it says of its validation fold


def answering(command: SpineCommand) -> list[Member]:
    """The networks that answer for studies without labels: those of all studies, or, without `refit`, of all folds.

    Raises MissingInput or StaleOutput where one is not there, with the command that trains it.
    """
    command, config = on_training_set(command), command.config
    folds = [ALL]
    if command.arguments.get("fold") or not config.fracture.refit:
        folds = chosen_folds(command, config.prepare.fold_count, single=True)
    runs = [StudyRun(command, key) for key in keys_of(command.config, folds)]
    return [Member(run, run.network()) for run in runs]


def validated(command: SpineCommand) -> list[Member]:
    """What the folds' networks say of their validation folds. Raises MissingInput or StaleOutput.

    Of networks that are nested, where the configuration is not, or the other way round, neither is used.
    """
    folds = [fold for fold in chosen_folds(command, command.config.prepare.fold_count, single=True) if fold != ALL]
    runs = [StudyRun(command, key) for key in keys_of(command.config, folds)]
    found = [Member(run, require(command.work, run.predictions, STUDY, remedies(command))) for run in runs]
    for run, predictions in found:
        check_made(predictions, run.settings())
    return found


def inputs_of(members: Sequence[Member], what: str) -> dict[str, Input]:
    """For the provenance of what is made from them."""
    return {f"{what} {member.run.key.name}": member.output.as_input() for member in members}


def out_of_fold(
    members: Sequence[Member], studies: pd.DataFrame, held_out: HeldOut
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By model, the probabilities of the M studies, and how each one's patient was seen by what predicts it.

    members: as `validated`. studies: the data set's table. Raises BadInput where a table is of other studies.
    """
    rows = Rows(studies["study_uid"].to_numpy(), (studies["split"] == "test").to_numpy())
    probabilities, seen = {}, {}
    for name in dict.fromkeys(member.run.key.model.name for member in members):
        own = [member for member in members if member.run.key.model.name == name]
        places = {member.run.key.fold: held_out.folds == int(member.run.key.fold) for member in own}
        tables = [(one.output.file(TABLE), held_out.rows[places[one.run.key.fold]]) for one in own]
        mean = mean_of_tables(LABELS, tables, rows, remedy=own[0].output.remedy)
        probabilities[name] = mean[held_out.rows]
        seen[name] = np.full(len(held_out.rows), "", object)
        for one in own:
            place = places[one.run.key.fold]
            seen[name][place] = one.output.learned().roles_of(held_out.patients[place], fold_part(one.run.key.fold))
    return probabilities, seen


def ledger_of(scored: Sequence[Member], answers: Sequence[Member]) -> Ledger:
    """Whom the networks of each fold have seen, and those that answer for studies without labels."""
    parts = [member.output.learned().as_part(fold_part(member.run.key.fold)) for member in scored]
    return Ledger.joined([*parts, *(member.output.learned().as_part(ANSWERS) for member in answers)])
