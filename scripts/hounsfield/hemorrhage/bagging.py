"""A bag of runs as stage 15 makes it: what belongs to it, what it depends on, and its table of means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.answers import Predicted, learn_from, rule_of, rule_of_run, write_results
from hounsfield.competitions.rsna2019.domain import outside
from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import data_folder
from hounsfield.competitions.rsna2019.study_view import aligned_predictions
from hounsfield.competitions.rsna2019.tables import open_data_set
from hounsfield.core.evaluation.by_study import as_labelled
from hounsfield.core.evaluation.domain import facts_of, in_words
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.out_of_fold import by_other_models
from hounsfield.core.evaluation.out_of_fold_calibration import Learned
from hounsfield.core.evaluation.predictions import (
    OUT_OF_FOLD,
    TEST,
    prediction_table,
    read_predictions,
    write_predictions,
)
from hounsfield.core.evaluation.score_table import empty_table, score_table
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import ALL, on_training_set
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Provenance, read_record
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.files import file_digest
from hounsfield.hemorrhage.config import sequence_settings
from hounsfield.hemorrhage.ensemble import Bag, BaggedRun, expected_runs, has_classifier, read_classifier, systems
from hounsfield.hemorrhage.paths import BAG, MEANS, classifier_folder, predictions_folder
from hounsfield.hemorrhage.remedies import HemorrhageCommand, data_set_folds, remedies


class BagTask(NamedTuple):
    """What is to be bagged, and where it goes."""

    commands: dict[str, HemorrhageCommand]  # by experiment
    folds: list[str]
    data: Upstream  # the data set that is predicted
    trained_on: Upstream | None  # where it is another one, and at hand
    runs: list[BaggedRun]
    folder: Path
    scored_run: Path  # where the same bag of the data set trained on lies, or would
    run: Upstream | None  # that one, where another data set is predicted and it is finished

    @property
    def label_set(self) -> LabelSet:
        """What the runs were trained to tell."""
        return label_set_of(self.runs[0].predictions)


def find_task(command: HemorrhageCommand, commands: dict[str, HemorrhageCommand]) -> BagTask:
    """All that is bagged. commands: by experiment.

    Raises MissingInput or StaleOutput where a part of it is not there, or does not belong to the others.
    """
    data = open_data_set(command.work, command.data_set, remedies(command))
    trained_on, folds = command.config.data_set, data_set_folds(command, data, BAG)
    names = "+".join(commands)
    folder, scored_run = (
        predictions_folder(command.work, names, trained_on, name) for name in (command.data_set, trained_on)
    )
    if ALL in folds:
        folder = folder / f"fold{ALL}"  # beside the cross-validated submission of the same experiment, not over it
    other = None
    if command.data_set != trained_on and read_record(data_folder(command.work, trained_on)) is not None:
        other = open_data_set(command.work, trained_on, remedies(on_training_set(command)))
    run = None
    if command.data_set != trained_on and ALL not in folds and read_record(scored_run) is not None:
        run = require(command.work, scored_run, BAG, remedies(on_training_set(command)))
    return BagTask(commands, folds, data, other, expected_runs(commands, data, folds), folder, scored_run, run)


def trained_on_facts(task: BagTask) -> dict[str, Any] | None:
    """What the first run's classifier was trained on, as its training has noted it; None where it has not."""
    first = task.runs[0]
    record = read_record(classifier_folder(task.data.work, first.experiment, first.fold))
    return facts_of(record, task.trained_on or task.data)


def provenance(task: BagTask) -> Provenance:
    """What the submission and the scores depend on."""
    inputs = {"data set": task.data.as_input()}
    for one in task.runs:
        inputs[f"embeddings {one.name}"] = one.embeddings.as_input()
        inputs[f"predictions {one.name}"] = one.predictions.as_input()
    sample = task.data.folder / "sample_submission.csv"
    if sample.exists():
        inputs["sample submission"] = Input(file_digest(sample))
    if task.trained_on is not None:
        inputs["data set trained on"] = task.trained_on.as_input()
    if task.run is not None:
        inputs["out-of-fold scores"] = task.run.as_input()
    first = next(iter(task.commands.values()))
    experiments = {name: sequence_settings(command.config) for name, command in task.commands.items()}
    settings = {"data_set": first.data_set, "trained_on": first.config.data_set, "folds": task.folds}
    return Provenance(BAG, {**settings, "experiments": experiments}, inputs)


def write_means(
    path: Path, label_set: LabelSet, images: pd.Series, is_test: np.ndarray, mean: Bag, held_out: HeldOut
) -> None:
    """Write bag.parquet: held-out and test slices with the means, for a bag of several systems. images: (N,)."""
    rows = np.concatenate([held_out.rows, np.flatnonzero(is_test)])
    order = np.argsort(rows)
    rows, means = rows[order], np.concatenate([mean.held_out, mean.test])[order]
    frame = prediction_table(label_set, images.to_numpy()[rows], np.where(is_test[rows], TEST, OUT_OF_FOLD), means)
    write_predictions(path, label_set, frame)


def means_of_models(task: BagTask, answers: Upstream, slices: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the classifiers and the bag say of each slice, (N, C) each; NaN of a slice that is not predicted.

    answers: the finished bag. slices: image_id and fold. Embeddings that were published have no classifier beside them.
    """
    table = read_predictions(answers.file(MEANS), task.label_set, remedy=answers.remedy)
    bag = aligned_predictions(slices, table, task.label_set.names)
    if not all(has_classifier(run.embeddings) for run in task.runs):
        return {"bag": bag}
    fold = slices["fold"].to_numpy(np.float64, na_value=np.nan)
    is_test = slices["image_id"].isin(table["image_id"][table["split"] == TEST]).to_numpy()
    total, count = np.zeros_like(bag), np.zeros((len(bag), 1))
    for run in task.runs:  # a test slice is predicted by all, a held-out one by those of its fold
        rows = is_test | (fold == (-1 if run.fold == ALL else int(run.fold)))
        total[rows] += read_classifier(run.embeddings, len(bag))[rows]
        count[rows] += 1
    return {"classifier": np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0), "bag": bag}


def compare(
    task: BagTask, command: HemorrhageCommand, mean: Bag, slices: pd.DataFrame, held_out: HeldOut
) -> pd.DataFrame:
    """The score table; empty, with the reason logged, where no slice is out of fold."""
    if not len(held_out.rows):
        reason = f"fold {ALL} has learnt from every patient" if ALL in task.folds else "no labelled slice is held out"
        if command.data_set != command.config.data_set:
            reason = f"{command.data_set} is not the data set trained on ({command.config.data_set})"
        logger.info("bag: nothing is scored, since %s; %s has only its header", reason, task.folder / "scores.csv")
        return empty_table(task.label_set)
    compared = systems(task.runs, mean, slices, held_out)
    rows = slices.iloc[held_out.rows]
    scored = as_labelled(task.label_set, compared, held_out.labels, held_out.patients, rows)
    return score_table(*scored, " ".join(task.folds))


def write_answers(task: BagTask, command: HemorrhageCommand, found: Predicted) -> tuple[list[str], Ledger]:
    """Write the tables of answers, by rule and calibration of the run that was scored.

    Returns the names of the files, and whom the calibrators have seen.
    """
    trained_on, facts = command.config.data_set, trained_on_facts(task)
    unscored = f"the run {task.scored_run.name} holds no out-of-fold scores"
    if command.data_set == trained_on:
        rule = rule_of(task.label_set, found)
        again = f"{remedies(command)(BAG)} --force"
        learned = learn_from(task.label_set, found, rule, what=f"bag {task.folder.name}", remedy=again)
    else:
        rule = rule_of_run(task.label_set, task.run, unscored)
        if task.run is not None:
            others = by_other_models(task.run.record["settings"]["folds"], task.folds)
            rule = replace(rule, scored_on=rule.scored_on + others)
        learned = Learned.by_run(task.run, unscored)
    warnings = outside(found.slices[found.is_test], facts)
    words = in_words(facts, trained_on)
    return write_results(task.folder, task.label_set, found, rule, words, warnings, learned), learned.ledger
