"""Given studies from files to answers: the order of the steps, which every system of this kind's competition shares.

A system hands in what it does in each step. N slices of the data set, C names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES, data_folder
from hounsfield.competitions.rsna2019.results import training_prior
from hounsfield.competitions.rsna2019.source import GIVEN_NAMES, INTAKE
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.competitions.rsna2019.validation import (
    VALIDATION_COLUMNS,
    Labelled,
    classes_of,
    match_labels,
    printed_validation,
    rates_at_thresholds,
    training_units,
    validation_table,
)
from hounsfield.core.evaluation.by_study import UNITS
from hounsfield.core.evaluation.external import write_validation
from hounsfield.core.evaluation.findings import printed, write_identified
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.score_table import COUNTED, System
from hounsfield.core.evaluation.study_rule import RULE, read_rule
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.given_studies import check_given, own_identifiers, prepare_given
from hounsfield.core.intake.label_cells import read_cells
from hounsfield.core.intake.label_tables import label_table
from hounsfield.core.intake.seen_patients import naming_of, refuse_seen
from hounsfield.core.logs import show
from hounsfield.core.stages.command import Command, on_training_set
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import RemedyOf, Upstream

STAGE = "run_17_predict_studies"
AnyCommand = Command[Any]


class Predicted(NamedTuple):
    """What a system predicts of all slices of a data set that it was not trained on."""

    answers: Upstream  # the finished folder with findings.csv and studies.csv
    label_set: LabelSet
    systems: Mapping[str, np.ndarray]  # (N, C) by name; the last one is what is answered
    scores: pd.DataFrame | None  # of the run out of fold, where it has been scored


class Steps(NamedTuple):
    """What one system does."""

    models: Callable[[AnyCommand], list[Upstream]]  # all that is needed; raises where one is missing
    prepare: Callable[[AnyCommand, Sequence[Path]], None]
    settings: Mapping[str, Any]  # of that, which the answers depend on
    load: Callable[[], None]  # imports what predicts; it takes seconds, in which other processes read the files
    predict: Callable[[AnyCommand], Predicted]
    remedies: Callable[[AnyCommand], RemedyOf]


def predict_given(command: AnyCommand, paths: Sequence[str], steps: Steps) -> AnyCommand:
    """Predict what the paths hold, and print a line per study. Returns the command for their data set.

    Raises MissingInput before any file is read where the run has no trained models.
    """
    given, arguments = check_given(paths, STAGE), command.arguments
    identifiers: pd.DataFrame | None = None
    labelled: Labelled | None = None
    models = steps.models(command)
    table = None
    if arguments.labels:
        table = label_table(read_cells(Path(arguments.labels)), one_line(arguments.labels), options=False)
        classes_of(label_set_of(_trained_on(steps, command)), table)  # before any file is read
    with ThreadPoolExecutor(1) as pool:  # which waits for it also where the files are refused
        pool.submit(steps.load)
        command = prepare_given(command, given, INTAKE, steps.prepare, steps.settings)
    slices = read_slices(open_data_set(command.work, command.data_set, steps.remedies(command)), VALIDATION_COLUMNS)
    if table is not None or arguments.show_identifiers:
        identifiers = own_identifiers(given, slices)
    if table is not None and identifiers is not None:
        learned = Ledger.joined([one.learned() for one in models])
        refuse_learned(steps, command, learned, slices, identifiers, command.experiment)
        label_set = label_set_of(_trained_on(steps, command))
        labelled = match_labels(label_set, table, slices, identifiers)  # a wrong table need not wait for the networks
    found = steps.predict(command)
    show(printed(found.answers.folder))
    if identifiers is not None and arguments.show_identifiers:
        show(f"with identifiers: {write_identified(found.answers.folder, identifiers)}")
    if table is not None and identifiers is not None and labelled is not None:
        learned, what = found.answers.learned(), f"the calibration of {command.experiment}"
        refuse_learned(steps, command, learned, slices, identifiers, what)
        show(f"\n{validate(command, steps, found, table.digest(), labelled, slices)}")
    return command


def refuse_learned(
    steps: Steps, command: AnyCommand, learned: Ledger, slices: pd.DataFrame, identifiers: pd.DataFrame, what: str
) -> None:
    """Raise WrongUse where a patient of the slices is one that was learnt from.

    learned: from whom, on the run's own data set. what: has learnt from them, for the message.
    """
    data = _trained_on(steps, command)
    known, naming = read_slices(data, ("patient_id", "study_uid")), naming_of(data.folder, "--archive", GIVEN_NAMES)
    refuse_seen(slices, identifiers, learned, naming, known, what, data_folder(command.work, command.data_set) / SLICES)


def _trained_on(steps: Steps, command: AnyCommand) -> Upstream:
    """The data set that the run was trained on."""
    training = on_training_set(command)
    return open_data_set(training.work, training.data_set, steps.remedies(training))


def validate(
    command: AnyCommand, steps: Steps, found: Predicted, labels: str, labelled: Labelled, slices: pd.DataFrame
) -> str:
    """Score the run on what is labelled, beside its out-of-fold scores; returns the table for a terminal.

    labels: the digest of their table. slices: VALIDATION_COLUMNS.
    """
    trained_on = command.config.data_set

    def score() -> pd.DataFrame:
        rule, what, names = read_rule(found.answers.file(RULE)), COUNTED[labelled.unit], found.label_set.names
        training = None
        if (data_folder(command.work, trained_on) / "output.json").exists():
            data = _trained_on(steps, command)
            training = training_units(labelled, read_slices(data, ("split", *UNITS.values(), *names)), names)
        prior = training_prior(found.label_set, training, trained_on)[labelled.columns]
        words, everywhere = f"share of positive {what} in the training set", np.tile(prior, (len(labelled.rows), 1))
        systems = [System("prior", "", everywhere, words, ranks=False)]
        for name, values in found.systems.items():
            own = labelled.answers(values, slices, rule)
            systems.append(System(name, command.experiment, own, "mean of all models", over=len(systems) - 1))
        rates = rates_at_thresholds(labelled, systems[-1].probabilities, rule)
        return validation_table(labelled, systems, command.data_set, trained_on, found.scores, rates)

    return write_validation(STAGE, found.answers, labels, score, printed_validation)
