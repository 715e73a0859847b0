"""A bag of runs as stage 15 makes it: what belongs to it, what it depends on, and its table of means."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.competitions.rsna2019.paths import data_folder
from hounsfield.competitions.rsna2019.tables import open_data_set
from hounsfield.core.evaluation.folds import ALL
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table, write_predictions
from hounsfield.core.stages.outputs import Input, Provenance, read_record
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.files import file_digest
from hounsfield.hemorrhage.commands import HemorrhageCommand, data_set_folds, on_training_set, remedies
from hounsfield.hemorrhage.config import sequence_settings
from hounsfield.hemorrhage.ensemble import Bag, BaggedRun, expected_runs
from hounsfield.hemorrhage.paths import BAG, predictions_folder


class BagTask(NamedTuple):
    """What is to be bagged, and where it goes."""

    commands: dict[str, HemorrhageCommand]  # by experiment
    folds: list[str]
    data: Upstream  # the data set that is predicted
    trained_on: Upstream | None  # where it is another one, and at hand
    runs: list[BaggedRun]
    folder: Path


def find_task(command: HemorrhageCommand, commands: dict[str, HemorrhageCommand]) -> BagTask:
    """All that is bagged. commands: by experiment.

    Raises MissingInput or StaleOutput where a part of it is not there, or does not belong to the others.
    """
    data = open_data_set(command.work, command.data_set, remedies(command))
    trained_on, folds = command.config.data_set, data_set_folds(command, data, BAG)
    folder = predictions_folder(command.work, "+".join(commands), trained_on, command.data_set)
    if ALL in folds:
        folder = folder / f"fold{ALL}"  # beside the cross-validated submission of the same experiment, not over it
    other = None
    if command.data_set != trained_on and read_record(data_folder(command.work, trained_on)) is not None:
        other = open_data_set(command.work, trained_on, remedies(on_training_set(command)))
    return BagTask(commands, folds, data, other, expected_runs(commands, data, folds), folder)


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
    first = next(iter(task.commands.values()))
    experiments = {name: sequence_settings(command.config) for name, command in task.commands.items()}
    settings = {"data_set": first.data_set, "trained_on": first.config.data_set, "folds": task.folds}
    return Provenance(BAG, {**settings, "experiments": experiments}, inputs)


def write_means(path: Path, images: pd.Series, is_test: np.ndarray, mean: Bag, held_out: HeldOut) -> None:
    """Write bag.parquet: held-out and test slices with the means, for a bag of several systems. images: (N,)."""
    rows = np.concatenate([held_out.rows, np.flatnonzero(is_test)])
    order = np.argsort(rows)
    rows, means = rows[order], np.concatenate([mean.held_out, mean.test])[order]
    frame = prediction_table(LABELS, images.to_numpy()[rows], np.where(is_test[rows], TEST, OUT_OF_FOLD), means)
    write_predictions(path, LABELS, frame)
