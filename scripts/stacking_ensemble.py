"""Average the second level's three libraries into a submission, and score every step on held-out patients.

In: preds/stacking/<experiment>/ (the classifiers' tables and the second level's), data/<data set>/stacking/
<experiment>/slices.parquet, and of data/<data set>/ slices.parquet and sample_submission.csv.
Out: preds/stacking/<experiment>/ submission.csv.gz, findings.csv, scores.csv, ensemble.parquet, ensemble_manifest.json.

Out-of-fold probabilities are those of nested early stopping. Test probabilities are those of early stopping on the
scored fold, as published: no test slice stops any model, and each learns from one fold more than a nested one.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import sample_submission_path, slices_path
from hounsfield.competitions.rsna2019.results import (
    FINDINGS_COLUMNS,
    prior_predictions,
    training_prior,
    write_findings,
    write_submission,
)
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import MissingInput, StaleOutput
from hounsfield.core.evaluation.held_out import HeldOut, held_out_rows
from hounsfield.core.evaluation.predictions import (
    OUT_OF_FOLD,
    TEST,
    Rows,
    manifest_path,
    mean_of_tables,
    prediction_table,
    read_manifest,
    write_predictions,
)
from hounsfield.core.evaluation.scores import System, read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, differences, outputs_finished
from hounsfield.core.storage.files import file_digest, json_values, locked, write_json
from hounsfield.stacking.boosters import PACKAGES
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.ensemble import FirstLevel, check_inputs, expected_tables, read_first_level
from hounsfield.stacking.folds import add_fold_argument, chosen_folds
from hounsfield.stacking.paths import predictions_folder
from hounsfield.stacking.second_level import (
    LEARN,
    NESTED,
    SCORED_FOLD,
    STOPPINGS,
    Run,
    StackingCommand,
    second_level_run,
)
from hounsfield.stacking.tables import read_stacking_slices

SUBMISSION, FINDINGS, SCORES, ENSEMBLE = "submission.csv.gz", "findings.csv", "scores.csv", "ensemble.parquet"
MANIFEST = "ensemble_manifest.json"  # of all four; ensemble.json is the manifest of the table alone
SLICE_COLUMNS = ("image_id", "split", "fold", "patient_id", "hu_crc32", *CLASSES)  # of the stacking slices


class Task(NamedTuple):
    """What is to be averaged, and where it goes."""

    command: StackingCommand
    folds: list[int]
    inputs: dict[str, str]  # digests of the slice table and the classifiers' tables
    runs: list[Run]
    folder: Path


def main() -> None:
    """Average what is not averaged yet, and show the scores."""
    set_up_logging()
    parser = stage_parser(
        StackingConfig, "Average the second level into a submission and score it", default_config=DEFAULT_CONFIG
    )
    add_fold_argument(parser)
    parser.add_argument("--booster", nargs="+", choices=list(PACKAGES), default=None, help="these libraries alone")
    task = find_task(parse(parser, StackingConfig, default_config=DEFAULT_CONFIG))
    recipe = ensemble_recipe(task)
    with locked(task.folder):
        if outputs_finished(task.folder / MANIFEST, recipe, force=task.command.force):
            logger.info("ensemble: nothing to do, %d tables are averaged", len(task.runs))
        else:
            average(task, recipe)
        print(readable(read_scores(task.folder / SCORES)))
        print(f"\nsubmission: {task.folder / SUBMISSION}")


def find_task(command: StackingCommand) -> Task:
    """Which tables the command line names. Raises MissingInput or StaleOutput naming a classifier's table at fault."""
    config, arguments = command.config, command.arguments
    folds = chosen_folds(arguments.fold, config)
    inputs = check_inputs(command.work, command.experiment, config, folds)
    boosters = dict.fromkeys(arguments.booster or config.second_level.boosters)
    runs = [second_level_run(command, *one, folds, inputs) for one in itertools.product(boosters, STOPPINGS)]
    return Task(command, folds, inputs, runs, predictions_folder(command.work, command.experiment))


def ensemble_recipe(task: Task) -> Recipe:
    """What the outputs depend on. Raises MissingInput or StaleOutput naming the second level's tables at fault."""
    missing = [str(one.table) for one in task.runs if not manifest_path(one.table).exists()]
    if missing:
        listing = "\n".join(f"  {path}" for path in missing)
        raise MissingInput(
            f"{len(missing)} of {len(task.runs)} tables of the second level are missing or not finished:\n{listing}\n"
            f"Make them with: {LEARN}\nor name the libraries that there are: --booster NAME"
        )
    work, data_set = task.command.work, task.command.config.data_set
    inputs, stale = dict(task.inputs), []
    for one in task.runs:
        manifest = read_manifest(one.table, remedy=LEARN)
        inputs[f"predictions {one.name}"] = manifest.pop("sha256")
        stale += [f"{one.table}: {change}" for change in differences(manifest, json_values(one.manifest))]
    if stale:
        listing = "\n".join(f"  {change}" for change in stale[:10])
        raise StaleOutput(
            f"the second level was made from something else:\n{listing}\nMake it anew with: {LEARN} --force"
        )
    others = {
        "prepared slices": slices_path(work, data_set),
        "sample submission": sample_submission_path(work, data_set),
    }
    inputs |= {name: file_digest(path) for name, path in others.items() if path.exists()}
    settings = {
        "data_set": data_set,
        "folds": task.folds,
        "tables": [one.name for one in task.runs],
        "submission": plain(task.command.config.submission),
    }
    return Recipe("stacking ensemble", settings, inputs)


def average(task: Task, recipe: Recipe) -> None:
    """Average, write submission, findings and table, score, and write the manifest last."""
    watch, command = Stopwatch(), task.command
    work, config = command.work, command.config
    (task.folder / MANIFEST).unlink(missing_ok=True)
    slices = read_stacking_slices(work, config.data_set, command.experiment, SLICE_COLUMNS)
    first_level = read_first_level(expected_tables(work, command.experiment, config, task.folds), slices)
    held_out = held_out_rows(LABELS, slices, [str(fold) for fold in task.folds])
    is_test = (slices["split"] == "test").to_numpy()
    tables = {one.name: read_second_level(one, slices, held_out, is_test) for one in task.runs}
    nested, scored_fold = (mean_of(tables, task.runs, stopping) for stopping in (NESTED, SCORED_FOLD))
    images, test = slices["image_id"][is_test], scored_fold[is_test]
    submit(task, images, test)
    prepared = read_slices(work, config.data_set, FINDINGS_COLUMNS)
    write_findings(task.folder / FINDINGS, prepared[is_test], test)
    write_ensemble(task, recipe, slices, held_out, is_test, np.where(is_test[:, np.newaxis], scored_fold, nested))
    compared = systems(task, slices, held_out, first_level, tables)
    table = score_table(LABELS, compared, held_out.labels, held_out.patients, " ".join(map(str, task.folds)))
    write_scores(task.folder / SCORES, table)
    if ensemble_recipe(task) != recipe:
        raise StaleOutput(f"{task.folder}: tables were replaced while they were being averaged; start again")
    outputs = {name: file_digest(task.folder / name) for name in (SUBMISSION, FINDINGS, SCORES, ENSEMBLE)}
    facts = {"recipe": recipe.as_json(), "config": plain(config), "outputs": outputs}
    write_json(task.folder / MANIFEST, facts)
    summary("ensemble", len(task.runs), "tables", watch.seconds, {"test slices": len(images)})


def submit(task: Task, images: pd.Series, probabilities: np.ndarray) -> None:
    """Write the submission as the configuration wants it. images: (T,); probabilities: (T, C)."""
    work, config = task.command.work, task.command.config
    sample, clip = sample_submission_path(work, config.data_set), config.submission.clip
    path = task.folder / SUBMISSION
    if config.submission.missing == "prior":
        write_submission(path, sample, images, probabilities, training_prior(work, config.data_set), clip=clip)
        return
    smallest = np.full(len(CLASSES), probabilities.min(initial=1))
    write_submission(path, sample, images, probabilities, smallest, otherwise_is="the smallest label of all", clip=clip)


def read_second_level(one: Run, slices: pd.DataFrame, held_out: HeldOut, is_test: np.ndarray) -> np.ndarray:
    """The probabilities of one table, (N, C); NaN for slices of folds that are left out.

    Raises BadInput when it does not hold the test slices and those that are held out, in their order.
    """
    positions = np.union1d(np.flatnonzero(is_test), held_out.rows)
    rows = Rows(slices["image_id"].to_numpy(), is_test)
    return mean_of_tables(LABELS, [(one.table, positions)], rows, remedy=LEARN)


def mean_of(tables: dict[str, np.ndarray], runs: list[Run], stopping: str) -> np.ndarray:
    """The mean over the libraries, (N, C)."""
    return np.mean([tables[one.name] for one in runs if one.stopping == stopping], axis=0)


def write_ensemble(
    task: Task, recipe: Recipe, slices: pd.DataFrame, held_out: HeldOut, is_test: np.ndarray, probabilities: np.ndarray
) -> None:
    """Write ensemble.parquet: held-out and test slices with the probabilities (N, C) of this system."""
    split = np.where(is_test, TEST, OUT_OF_FOLD)
    frame = prediction_table(LABELS, slices["image_id"].to_numpy(), split, probabilities)
    manifest = {
        "stage": "stacking_ensemble",
        "experiment": task.command.experiment,
        "data_set": task.command.config.data_set,
        "early_stopping": {OUT_OF_FOLD: NESTED, TEST: SCORED_FOLD},
        "settings": recipe.settings,
        "inputs": recipe.inputs,
    }
    rows = np.union1d(np.flatnonzero(is_test), held_out.rows)
    write_predictions(task.folder / ENSEMBLE, LABELS, frame.iloc[rows], manifest)


def systems(
    task: Task, slices: pd.DataFrame, held_out: HeldOut, first_level: FirstLevel, tables: dict[str, np.ndarray]
) -> list[System]:
    """What is compared: prior, classifiers and their mean, each library, the second level; then as it was published."""
    experiment, config, rows = task.command.experiment, task.command.config, held_out.rows
    epochs = " ".join(map(str, config.prediction.epochs))
    of_fold = f"epochs {epochs} of the fold that holds the patient out"
    share = "share of positive slices in the other folds"
    found = [System("prior", "", prior_predictions(slices, held_out), share, ranks=False)]
    for name, mean in first_level.networks.items():
        found.append(System(name, experiment, mean[rows], f"classifier, mean over {of_fold}", over=0))
    both = " and ".join(first_level.networks)
    base = len(found)
    found.append(System("cnn_ensemble", experiment, first_level.ensemble[rows], f"mean of {both}, {of_fold}", over=0))
    honest = "early stopping on another fold (nested)"
    mark, learnt = every_patient(slices)
    for one in task.runs:
        if one.stopping == NESTED:
            models = f"{one.booster} on cnn_ensemble along the study, {honest}{learnt}"
            found.append(System(one.booster + mark, experiment, tables[one.name][rows], models, over=base))
    libraries = " ".join(dict.fromkeys(one.booster for one in task.runs))
    optimistic = "early stopping on the fold that is scored, as published: optimistic"
    for name, stopping, words, by_design in (
        ("second_level", NESTED, honest, ""),
        ("second_level_scored_fold", SCORED_FOLD, optimistic, "early stopping on the scored fold"),
    ):
        mean, models = mean_of(tables, task.runs, stopping)[rows], f"mean of {libraries}, {words}{learnt}"
        found.append(System(name + mark, experiment, mean, models, over=base, by_design=by_design))
    return found


def every_patient(slices: pd.DataFrame) -> tuple[str, str]:
    """What is added to the name and to the description of models that have learnt from slices of every patient.

    Those are labelled slices without brain when they are in no fold, as published. Empty where all are in folds.
    """
    count = int(((slices["split"] == "train") & slices["fold"].isna()).sum())
    if not count:
        return "", ""
    return "_every_patient", f"; {count} slices without brain, also of the patients scored, are learnt from"


if __name__ == "__main__":
    run(main)
