"""Train the second level of the stacking system: gradient boosting over each study's predictions.

In: preds/stacking/<experiment>/<network>/, data/<data set>/stacking/<experiment>/slices.parquet.
Out: checkpoints/stacking/<experiment>/<booster>/<stopping>/ (a model a class and fold, importance.csv),
preds/stacking/<experiment>/<booster>_<stopping>.parquet.
"""

from __future__ import annotations

import itertools

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.core.errors import StaleOutput
from hounsfield.core.evaluation.predictions import is_finished, write_predictions
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import parse, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.files import locked
from hounsfield.stacking.boosters import PACKAGES
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.ensemble import check_inputs, expected_tables, read_first_level
from hounsfield.stacking.folds import add_fold_argument, chosen_folds
from hounsfield.stacking.paths import stacking_slices_path
from hounsfield.stacking.second_level import (
    SLICE_COLUMNS,
    STOPPINGS,
    Case,
    Run,
    StackingCommand,
    installed_boosters,
    open_case,
    prediction_frame,
    run_models,
    second_level_run,
    split_folds,
)
from hounsfield.stacking.tables import read_stacking_slices


def main() -> None:
    """Train and predict with every library and both ways of early stopping."""
    set_up_logging()
    parser = stage_parser(
        StackingConfig, "Train the second level of the stacking system", default_config=DEFAULT_CONFIG
    )
    add_fold_argument(parser)
    parser.add_argument("--booster", nargs="+", choices=list(PACKAGES), default=None, help="these libraries alone")
    parser.add_argument(
        "--stopping", nargs="+", choices=STOPPINGS, default=[*STOPPINGS], help="what stops training early"
    )
    parser.add_argument("--skip-missing", action="store_true", help="go on without libraries that are not installed")
    command = parse(parser, StackingConfig, default_config=DEFAULT_CONFIG)
    config, arguments = command.config, command.arguments
    folds = chosen_folds(arguments.fold, config)
    for stopping in arguments.stopping:
        split_folds(folds, folds[0], stopping)
    boosters = installed_boosters(
        arguments.booster or config.second_level.boosters, skip_missing=arguments.skip_missing
    )
    inputs = check_inputs(command.work, command.experiment, config, folds)
    runs = [
        second_level_run(command, booster, stopping, folds, inputs)
        for booster, stopping in itertools.product(boosters, arguments.stopping)
    ]
    todo = [one for one in runs if command.force or not is_finished(one.table, one.manifest)]
    for one in runs:
        if one not in todo:
            logger.info("%s: nothing to do, %s is written", one.name, one.table)
    if todo:
        case = read_case(command, folds)
        if check_inputs(command.work, command.experiment, config, folds) != inputs:
            raise StaleOutput("predictions were replaced while they were being read; start again")
        for one in todo:
            learn(command, one, case)


def read_case(command: StackingCommand, folds: list[int]) -> Case:
    """Slices, and the classifiers' mean predictions of them."""
    config, work, experiment = command.config, command.work, command.experiment
    slices = read_stacking_slices(work, config.data_set, experiment, SLICE_COLUMNS)
    first_level = read_first_level(expected_tables(work, experiment, config, folds), slices)
    return open_case(slices, first_level.ensemble, folds, str(stacking_slices_path(work, config.data_set, experiment)))


def learn(command: StackingCommand, one: Run, case: Case) -> None:
    """Train, predict and write the table of one library and way of early stopping."""
    watch = Stopwatch()
    with locked(one.folder):
        recipe = Recipe("stacking second level", one.manifest["settings"], one.manifest["inputs"])
        claim(one.folder, recipe, force=command.force)
        probabilities = run_models(one, case, command.config)
        write_predictions(one.table, LABELS, prediction_frame(case, probabilities), one.manifest)
    models = 6 * len(one.manifest["settings"]["folds"])
    summary(
        f"second level, {one.name}",
        models,
        "models",
        watch.seconds,
        {"slices predicted": int(case.predicted.sum())},
    )


if __name__ == "__main__":
    run(main)
