"""The stacking system's answers, a study at a time (the functions of `Adaptor`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.study_view import (
    SliceAnswers,
    aligned_predictions,
    open_slice_answers,
    read_view_slices,
)
from hounsfield.competitions.rsna2019.tables import open_data_set
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.evaluation.study_view import ReadPrepare
from hounsfield.core.stages.command import applied_to, on_training_set
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import require
from hounsfield.stacking.ensemble import open_first_level, read_first_level
from hounsfield.stacking.experiments import StackingCommand, open_stacking_data, remedies, stacking_folds
from hounsfield.stacking.paths import AVERAGE, ENSEMBLE, hu_folder, predictions_folder
from hounsfield.stacking.second_level_tables import open_second_level
from hounsfield.stacking.stages.predict_studies import models_of as models_of  # a function of `Adaptor`
from hounsfield.stacking.stages.predict_studies import predict_studies, with_stage_options
from hounsfield.stacking.tables import read_stacking_slices

STAGE = "run_71_predict_study"
MODELS = ("classifier", "second level")  # as the records of predictions call them


def predict_paths(command: StackingCommand, paths: Sequence[str], read_prepare: ReadPrepare) -> SliceAnswers:
    """Prepare and predict what the paths hold, and open the answers."""
    return open_view(predict_studies(command, paths, read_prepare.prepare, read_prepare))


def open_view(command: StackingCommand) -> SliceAnswers:
    """The classifiers' mean and the second level's answers for the command's data set."""
    command, work = with_stage_options(command), command.work
    folder, own = predictions_folder(work, command.experiment, applied_to(command)), on_training_set(command)
    answers, run = require(work, folder, AVERAGE, remedies(command)), predictions_folder(work, command.experiment)
    scored = None if read_record(run) is None else require(work, run, AVERAGE, remedies(own))
    with open_stacking_data(command, STAGE) as stored:
        folds, label_set = stacking_folds(command, stored), label_set_of(stored)
        tables, libraries = open_first_level(command, stored, folds), open_second_level(command, folds)
        rows = read_stacking_slices(stored, ("image_id", "split", "fold", "hu_crc32"))
        first = read_first_level(label_set, tables, rows).ensemble
    data = open_data_set(work, command.data_set, remedies(command))
    slices = read_view_slices(data, label_set.names)
    table = read_predictions(answers.file(ENSEMBLE), label_set, remedy=answers.remedy)
    second = aligned_predictions(slices, table, label_set.names)
    outputs = [table.output for table in tables] + [library.output for library in libraries]
    made_from = [one.record["inputs"] for one in outputs]
    return open_slice_answers(
        f"stacking/{command.experiment}",
        answers,
        scored,
        data,
        slices,
        {"classifiers": first, "second_level": second},
        [inputs[name] for inputs in made_from for name in MODELS if name in inputs],
        (command.config.data_set, stored.record["facts"].get("trained_on")),
        partial(_activations, command) if hu_folder(work, command.data_set).exists() else None,
    )


def _activations(command: StackingCommand, images: pd.Series) -> np.ndarray:
    from hounsfield.stacking.activation import series_activations  # brings torch, which can load while files are read

    return series_activations(command, STAGE, images)
