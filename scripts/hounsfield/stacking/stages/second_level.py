"""Gradient boosting over each study's predictions (stage 44)."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.core.evaluation.labels import label_settings
from hounsfield.core.evaluation.predictions import write_predictions
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.command import applied_to, on_training_set
from hounsfield.core.stages.kept_configs import keep_config
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Provenance, output, read_record
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.stacking.booster_runs import BoosterRun, booster_run, predict_with, run_ledger, train_models
from hounsfield.stacking.boosters import distribution
from hounsfield.stacking.config import STOPPINGS
from hounsfield.stacking.ensemble import CnnTable, first_level_ledger, open_first_level, read_first_level
from hounsfield.stacking.experiments import StackingCommand, open_stacking_data, remedies, stacking_folds
from hounsfield.stacking.paths import LEARN, PREDICTIONS
from hounsfield.stacking.second_level import (
    SLICE_COLUMNS,
    SecondLevelData,
    arrange,
    installed_boosters,
    prediction_frame,
    split_folds,
)
from hounsfield.stacking.tables import read_stacking_slices


class Lesson(NamedTuple):
    """What every model learns from, and whom the classifiers behind it have seen."""

    data: SecondLevelData
    first_level: Ledger


def train_second_level(command: StackingCommand) -> None:
    """Train and predict with every library and both ways of early stopping."""
    arguments, stoppings = command.arguments, command.arguments.stopping or STOPPINGS
    wanted = arguments.booster or command.config.second_level.boosters
    with open_stacking_data(command, LEARN) as data:
        folds = stacking_folds(command, data)
        for stopping in stoppings:
            split_folds(folds, folds[0], stopping)
        boosters = installed_boosters(wanted, skip_missing=arguments.skip_missing)
        tables = open_first_level(command, data, folds)
        inputs = {"stacking data": data.as_input(), **{table.name: table.output.as_input() for table in tables}}
        lesson = functools.cache(lambda: read_lesson(data, tables, folds))  # not read where there is nothing to do
        runs = [booster_run(command, *one, folds) for one in itertools.product(boosters, stoppings)]
        trains = command.force or any(read_record(one.models) is None for one in runs)
        for one in runs:
            if applied_to(command):
                predict(command, one, trained(command, one), lesson, inputs)
            else:
                predict(command, one, learn(command, one, inputs, lesson), lesson, {})
        keep_config(command, "stacking", trained=trains)


def read_lesson(data: Upstream, tables: list[CnnTable], folds: list[int]) -> Lesson:
    """Slices, and the classifiers' mean predictions of them."""
    label_set = label_set_of(data)
    slices = read_stacking_slices(data, (*SLICE_COLUMNS, *label_set.names))
    ensemble = read_first_level(label_set, tables, slices).ensemble
    return Lesson(arrange(label_set, slices, ensemble, folds, str(data.folder / SLICES)), first_level_ledger(tables))


def learn(
    command: StackingCommand, one: BoosterRun, inputs: dict[str, Input], lesson: Callable[[], Lesson]
) -> Upstream:
    """Train the models of one library and way of early stopping that are not there yet."""
    watch, remedy = Stopwatch(), remedies(command)(LEARN)
    libraries = (distribution(one.booster),)
    provenance = Provenance(LEARN, one.settings(command.config), inputs, libraries)
    with output(one.models, provenance, force=command.force, remedy=remedy) as out:
        if not out.finished:
            data, first_level = lesson()
            facts = {"labels": label_settings(data.label_set)}
            names = train_models(one, data, command.config)
            out.finish(names, learned=run_ledger(one, data, first_level, command.data_set), facts=facts)
            summary(f"second level, {one.name}", len(data.label_set.names) * len(one.folds), "models", watch.seconds)
    return require(command.work, one.models, LEARN, remedies(command))


def trained(command: StackingCommand, one: BoosterRun) -> Upstream:
    """The models of one library, to predict another data set with. Raises MissingInput or StaleOutput."""
    models = require(command.work, one.models, LEARN, remedies(on_training_set(command)))
    check_made(models, one.settings(command.config))
    return models


def predict(
    command: StackingCommand,
    one: BoosterRun,
    models: Upstream,
    lesson: Callable[[], Lesson],
    inputs: Mapping[str, Input],
) -> None:
    """Write the table that the models predict; where they were made anew, it is, too.

    inputs: what else than the models it is made from: of the data set that these were trained on, nothing.
    """
    watch, provenance = Stopwatch(), Provenance(LEARN, one.identity, {"second level": models.as_input(), **inputs})
    remedy = remedies(command)(LEARN)
    with output(one.table, provenance, force=command.force, remedy=remedy, permits=lambda: ["second level"]) as out:
        if out.finished:
            logger.info("%s: nothing to do, %s is written", one.name, one.table / PREDICTIONS)
            return
        data = lesson().data
        frame = prediction_frame(data, predict_with(one, models, data, command.config))
        write_predictions(one.table / PREDICTIONS, data.label_set, frame)
        out.finish([PREDICTIONS], learned=models.learned(), facts=label_facts(models))
    summary(f"second level, {one.name}", len(frame), "slices", watch.seconds)
