"""Average the predictions of all runs into a submission, and score every step on held-out patients.

In: preds/hemorrhage/<experiment>/fold<k>_epoch<e>.parquet, the logits beside the embeddings, and of data/<data set>/
slices.parquet and sample_submission.csv.
Out: preds/hemorrhage/<experiment>/ submission.csv.gz, findings.csv, scores.csv, bag.parquet, bag_manifest.json; of
several experiments in <a>+<b>/. With --apply-to another data set, in a folder of its name below that one.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.competitions.rsna2019.paths import sample_submission_path, slices_path
from hounsfield.competitions.rsna2019.results import FINDINGS_COLUMNS, training_prior, write_findings, write_submission
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import StaleOutput, WrongUse
from hounsfield.core.evaluation.folds import ALL
from hounsfield.core.evaluation.held_out import HeldOut, held_out_rows
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table, write_predictions
from hounsfield.core.evaluation.scores import empty_table, read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, check_name, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, outputs_finished
from hounsfield.core.storage.files import file_digest, locked, write_json
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig, extracted_epochs, sequence_settings
from hounsfield.hemorrhage.ensemble import (
    TABLE_COLUMNS,
    Bag,
    Run,
    bag_runs,
    check_runs,
    expected_runs,
    systems,
)
from hounsfield.hemorrhage.folds import check_folds
from hounsfield.hemorrhage.paths import predictions_folder

SUBMISSION, FINDINGS, SCORES, MEANS = "submission.csv.gz", "findings.csv", "scores.csv", "bag.parquet"
MANIFEST = "bag_manifest.json"  # of all four; bag.json is the manifest of the table alone


class Task(NamedTuple):
    """What is to be bagged, and where it goes."""

    experiments: dict[str, HemorrhageConfig]
    folds: list[str]
    work: Path
    trained_on: str
    data_set: str
    runs: list[Run]
    folder: Path


def main() -> None:
    """Bag what is not bagged yet, and show the scores."""
    set_up_logging()
    parser = stage_parser(
        HemorrhageConfig, "Average all runs into a submission and score it", default_config=DEFAULT_CONFIG
    )
    parser.add_argument(
        "--apply-to", type=str, default=None, help="another prepared data set, which stage 14 has predicted"
    )
    parser.add_argument(
        "--experiments", type=str, nargs="+", default=None, help="bag these; their YAMLs lie beside that of --config"
    )
    parser.add_argument("--fold", nargs="+", default=None, help="these folds' runs alone, or 'all': the single model's")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    task = find_task(command)
    recipe = bag_recipe(task)
    with locked(task.folder):
        if outputs_finished(task.folder / MANIFEST, recipe, force=command.force):
            logger.info("bag: nothing to do, %d runs are bagged", len(task.runs))
        else:
            bag(task, recipe)
        print(readable(read_scores(task.folder / SCORES)))
        print(f"\nsubmission: {task.folder / SUBMISSION}")


def find_task(command: Command[HemorrhageConfig]) -> Task:
    """Which runs the command line names. Data set and folds of all experiments are those of --config."""
    config, arguments = command.config, command.arguments
    trained_on = check_name(config.data_set, "data_set")
    data_set = check_name(arguments.apply_to or trained_on, "--apply-to")
    folds = check_folds(arguments.fold or [str(fold) for fold in config.folds], config)
    if ALL in folds and len(folds) > 1:
        raise WrongUse(f"--fold {' '.join(folds)}: the single model has learnt from every fold; bag it alone")
    names = arguments.experiments or [command.experiment]
    if len(set(names)) < len(names):
        raise WrongUse(f"--experiments {' '.join(names)}: each experiment counts once")
    experiments = {name: experiment_config(name, command) for name in names}
    runs = expected_runs(command.work, data_set, experiments, folds)
    folder = predictions_folder(command.work, "+".join(names), trained_on, data_set)
    if ALL in folds:
        folder = folder / f"fold{ALL}"  # beside the cross-validated submission of the same experiment, not over it
    return Task(experiments, folds, command.work, trained_on, data_set, runs, folder)


def experiment_config(name: str, command: Command[HemorrhageConfig]) -> HemorrhageConfig:
    """The configuration of one of the experiments."""
    if name == command.experiment:
        return command.config
    given = Path(str(command.arguments.config[-1]))
    path = given.with_name(f"{check_name(name, '--experiments')}{given.suffix}")
    parser = stage_parser(HemorrhageConfig, name, default_config=path)
    argv = ["--config", str(path), "--data_set", command.config.data_set]
    return parse(parser, HemorrhageConfig, default_config=path, argv=argv).config


def bag_recipe(task: Task) -> Recipe:
    """What the submission and the scores depend on. Raises MissingInput or StaleOutput naming the runs at fault."""
    slices = slices_path(task.work, task.data_set)
    inputs = {"slices": file_digest(slices)}
    inputs |= check_runs(task.runs, task.experiments, task.data_set, inputs["slices"])
    others = {"sample submission": sample_submission_path(task.work, task.data_set)}
    if task.trained_on != task.data_set:
        others["slices trained on"] = slices_path(task.work, task.trained_on)
    inputs |= {name: file_digest(path) for name, path in others.items() if path.exists()}
    settings = {
        "data_set": task.data_set,
        "trained_on": task.trained_on,
        "folds": task.folds,
        "experiments": {name: sequence_settings(config) for name, config in task.experiments.items()},
    }
    return Recipe("bag", settings, inputs)


def bag(task: Task, recipe: Recipe) -> None:
    """Average, write the submission and the findings, score, and write the manifest last."""
    watch = Stopwatch()
    (task.folder / MANIFEST).unlink(missing_ok=True)
    slices = read_slices(task.work, task.data_set, TABLE_COLUMNS)
    foreign = task.data_set != task.trained_on  # its patients are in no fold: all of its slices are predicted as test
    is_test = np.full(len(slices), True) if foreign else (slices["split"] == "test").to_numpy()
    held_out = held_out_rows(LABELS, slices, () if foreign else task.folds)
    last_epochs = {name: max(extracted_epochs(config)) for name, config in task.experiments.items()}
    mean = bag_runs(task.runs, last_epochs, slices["image_id"], is_test, held_out)
    images, sample = slices["image_id"][is_test], sample_submission_path(task.work, task.data_set)
    class_prior = training_prior(task.work, task.trained_on)
    write_submission(task.folder / SUBMISSION, sample, images, mean.test, class_prior)
    described = read_slices(task.work, task.data_set, FINDINGS_COLUMNS)
    write_findings(task.folder / FINDINGS, described[is_test], mean.test)
    write_means(task, recipe, slices["image_id"], is_test, mean, held_out)
    write_scores(task.folder / SCORES, compare(task, mean, slices, held_out))
    if bag_recipe(task) != recipe:
        raise StaleOutput(f"{task.folder}: runs were replaced while they were being bagged; start again")
    outputs = {name: file_digest(task.folder / name) for name in (SUBMISSION, FINDINGS, SCORES, MEANS)}
    configs = {name: plain(config) for name, config in task.experiments.items()}
    write_json(task.folder / MANIFEST, {"recipe": recipe.as_json(), "configs": configs, "outputs": outputs})
    summary("bag", len(task.runs), "runs", watch.seconds, {"test slices": len(images)})


def write_means(
    task: Task, recipe: Recipe, images: pd.Series, is_test: np.ndarray, mean: Bag, held_out: HeldOut
) -> None:
    """Write bag.parquet: held-out and test slices with the means, for a bag of several systems. images: (N,)."""
    rows = np.concatenate([held_out.rows, np.flatnonzero(is_test)])
    order = np.argsort(rows)
    rows, means = rows[order], np.concatenate([mean.held_out, mean.test])[order]
    frame = prediction_table(LABELS, images.to_numpy()[rows], np.where(is_test[rows], TEST, OUT_OF_FOLD), means)
    manifest = {"stage": "hemorrhage_bag", "data_set": task.data_set, **recipe.as_json()}
    write_predictions(task.folder / MEANS, LABELS, frame, manifest)


def compare(task: Task, mean: Bag, slices: pd.DataFrame, held_out: HeldOut) -> pd.DataFrame:
    """The score table; empty, with the reason logged, where no slice is out of fold."""
    if not len(held_out.rows):
        reason = f"fold {ALL} has learnt from every patient" if ALL in task.folds else "no labelled slice is held out"
        if task.data_set != task.trained_on:
            reason = f"{task.data_set} is not the data set trained on ({task.trained_on})"
        logger.info("bag: nothing is scored, since %s; %s has only its header", reason, task.folder / SCORES)
        return empty_table(LABELS)
    compared = systems(task.runs, mean, slices, held_out)
    return score_table(LABELS, compared, held_out.labels, held_out.patients, " ".join(task.folds))


if __name__ == "__main__":
    run(main)
