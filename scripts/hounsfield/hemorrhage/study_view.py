"""The hemorrhage system's answers, a study at a time (the functions of `Adaptor`).

What brings torch is imported where it is used: that takes seconds, in which files can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.paths import IMAGES
from hounsfield.competitions.rsna2019.study_view import SliceAnswers, open_slice_answers, read_view_slices
from hounsfield.core.evaluation.study_view import ReadPrepare
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.hemorrhage.paths import BAG, classifier_folder
from hounsfield.hemorrhage.remedies import HemorrhageCommand, remedies
from hounsfield.hemorrhage.stages.predict_studies import models_of as models_of  # a function of `Adaptor`
from hounsfield.hemorrhage.stages.predict_studies import predict_studies

MODELS = ("classifier", "sequence network")  # as the records of embeddings and predictions call them


def predict_paths(command: HemorrhageCommand, paths: Sequence[str], read_prepare: ReadPrepare) -> SliceAnswers:
    """Prepare and predict what the paths hold, and open the answers."""
    return open_view(predict_studies(command, paths, read_prepare))


def open_view(command: HemorrhageCommand) -> SliceAnswers:
    """The classifiers' and the bag's answers for the command's data set."""
    from hounsfield.hemorrhage.bagging import find_task, means_of_models, trained_on_facts  # brings torch

    task = find_task(command, {command.experiment: command})
    answers = require(command.work, task.folder, BAG, remedies(command))
    slices = read_view_slices(task.data, task.label_set.names)
    made_from = [one.record["inputs"] for run in task.runs for one in (run.embeddings, run.predictions)]
    return open_slice_answers(
        f"hemorrhage/{command.experiment}",
        answers,
        task.run if applied_to(command) else answers,
        task.data,
        slices,
        means_of_models(task, answers, slices),
        [inputs[name] for inputs in made_from for name in MODELS if name in inputs],
        (command.config.data_set, trained_on_facts(task)),
        partial(_activations, command, task.data) if _can_be_shown(command, task.data, task.folds) else None,
    )


def _activations(command: HemorrhageCommand, data: Upstream, images: pd.Series) -> np.ndarray:
    from hounsfield.hemorrhage.activation import series_activations  # brings torch

    return series_activations(command, data, images)


def _can_be_shown(command: HemorrhageCommand, data: Upstream, folds: Sequence[str]) -> bool:
    """Whether images and classifiers are at hand; beside imported embeddings there are none."""
    folders = [classifier_folder(command.work, command.experiment, fold) for fold in folds]
    return (data.folder / IMAGES).exists() and all(read_record(folder) is not None for folder in folders)
