"""Studies of one's own, predicted in one process: what stages 01, 41, 43, 44 and 45 do in turn (stage 17)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import data_folder
from hounsfield.competitions.rsna2019.predict_given import Predicted, Steps, predict_given
from hounsfield.competitions.rsna2019.source import INTAKE
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.intake.given_studies import prepare_options, up_to_date
from hounsfield.core.stages.command import Command, applied_to, chosen_folds, on_training_set
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.stacking.config import STOPPINGS
from hounsfield.stacking.experiments import StackingCommand, remedies
from hounsfield.stacking.paths import (
    AVERAGE,
    ENSEMBLE,
    LEARN,
    SCORES,
    TRAIN,
    boosters_folder,
    network_folder,
    predictions_folder,
)

SHARED = ("order", "repair_intercept", "jpeg_quality")  # settings of the preparation that must be those of training


def predict_studies(
    command: StackingCommand,
    paths: Sequence[str],
    prepare: Callable[[Command[Any]], None],
    read_prepare: Callable[[Sequence[str]], Command[Any]],
) -> StackingCommand:
    """Predict what the paths hold, and print a line per study. Returns the command for their data set.

    prepare, read_prepare: the preparation of the data set, and what reads its command line.
    """

    record = read_record(data_folder(command.work, command.config.data_set))
    settings = {} if record is None else {name: record["settings"][name] for name in SHARED}

    def prepare_given(command: StackingCommand, given: Sequence[Path]) -> None:
        options = [word for name, value in settings.items() for word in (f"--prepare.{name}", str(value).lower())]
        prepare(read_prepare([*options, *prepare_options(command, given, INTAKE)]))

    steps = Steps(models_of, prepare_given, settings, _load_networks, predict_prepared, remedies)
    return predict_given(with_stage_options(command), paths, steps)


def _load_networks() -> None:
    """Import what the later stages need; an error is theirs to report."""
    from hounsfield.stacking.stages import ensemble, predict, second_level  # noqa: F401


def with_stage_options(command: StackingCommand) -> StackingCommand:
    """The same command with what its stages take, each at its default."""
    arguments = command.arguments.clone()
    for name in ("archive", "images", "dask_scheduler", "network", "booster", "stopping", "skip_missing"):
        arguments[name] = None
    return replace(command, arguments=arguments)


def models_of(command: StackingCommand) -> list[Upstream]:
    """Every model of the run. Raises MissingInput or StaleOutput where one is not there, with the commands."""
    config, work, experiment = command.config, command.work, command.experiment
    remedy_of = remedies(on_training_set(command))
    folds, found = sorted({int(fold) for fold in chosen_folds(command, config.data.fold_count)}), []
    for network, fold in itertools.product(config.networks, folds):
        found.append(require(work, network_folder(work, experiment, network.name, fold), TRAIN, remedy_of))
    for booster, stopping in itertools.product(config.second_level.boosters, STOPPINGS):
        models = require(work, boosters_folder(work, experiment, booster, stopping), LEARN, remedy_of)
        check_made(models, {**models.record["settings"], "folds": folds})
        found.append(models)
    return found


def predict_prepared(command: StackingCommand) -> Predicted:
    """Slices in Hounsfield units, classifiers, second level and their mean, of the prepared studies."""
    from hounsfield.stacking.stages.data import store_slices
    from hounsfield.stacking.stages.ensemble import make_ensemble
    from hounsfield.stacking.stages.predict import predict_networks
    from hounsfield.stacking.stages.second_level import train_second_level

    for step in (store_slices, predict_networks, train_second_level, make_ensemble):
        up_to_date(step, command)
    work, experiment = command.work, command.experiment
    answers = require(work, predictions_folder(work, experiment, applied_to(command)), AVERAGE, remedies(command))
    label_set = label_set_of(answers)
    table = read_predictions(answers.file(ENSEMBLE), label_set, remedy=answers.remedy)
    scores = predictions_folder(work, experiment) / SCORES
    known = read_scores(scores) if scores.exists() else None
    return Predicted(answers, label_set, {"second_level": table[list(label_set.names)].to_numpy()}, known)
