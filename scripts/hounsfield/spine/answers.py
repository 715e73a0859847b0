"""What stage 56 answers from, and what it says of each study. T studies that are answered for, 8 names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.submission import best_constant, fill, rows_of, sample_rows, write
from hounsfield.competitions.rsna2022.tables import open_data_set, read_slices
from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.domain import facts_of, in_words
from hounsfield.core.logs import logger
from hounsfield.core.stages.outputs import Input, Provenance
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.tables import read_table
from hounsfield.spine.boxes import read_boxes
from hounsfield.spine.curves import curve_networks
from hounsfield.spine.domain import outside
from hounsfield.spine.ensemble import Member, answering, inputs_of, validated
from hounsfield.spine.findings import Answers
from hounsfield.spine.network_run import Trained
from hounsfield.spine.paths import (
    BOXES,
    CURVES,
    PREDICT,
    VERTEBRAE,
    boxes_folder,
    predictions_folder,
    pseudo_labels_folder,
)
from hounsfield.spine.ratio_training import RatioRun
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.tables import PSEUDO_SCHEMA, read_pseudo_labels
from hounsfield.spine.worth import scored_run

SLICE_COLUMNS = ("study_uid", "slice", "slice_number", "path")
SHOWN = 10  # identifiers in a message


class AnswerTask(NamedTuple):
    """What is answered from, and where the answers go."""

    command: SpineCommand
    data: Upstream  # the data set that is predicted
    boxes: Upstream
    answers: list[Member]  # for studies without labels, and for all of another data set
    scored: list[Member]  # on their validation folds; none where another data set is predicted
    curves: list[Trained[RatioRun]]  # the ratio networks that tell where the vertebrae of these lie
    labels: Upstream | None  # the pseudo-labels of the data set that was trained on, where it is predicted
    folder: Path
    run: Upstream | None = None  # the finished answers for the data set trained on, where another one is predicted

    @property
    def own(self) -> bool:
        """Whether it is the data set that the networks were trained on."""
        return self.data.folder.name == self.command.config.data_set

    @property
    def sample(self) -> Path:
        """The sample submission of the data set; there may be none."""
        return sample_submission_path(self.command.work, self.data.folder.name)

    def provenance(self) -> Provenance:
        """What the answers depend on."""
        inputs = {"data set": self.data.as_input(), "boxes": self.boxes.as_input()}
        inputs |= inputs_of(self.answers, "study network") | inputs_of(self.scored, "predictions of")
        inputs |= {f"ratio network {one.run.key.name}": one.output.as_input() for one in self.curves}
        if self.labels is not None:
            inputs["pseudo-labels"] = self.labels.as_input()
        if self.run is not None:
            inputs["out-of-fold scores"] = self.run.as_input()
        if self.sample.exists():
            inputs["sample submission"] = Input(file_digest(self.sample))
        settings = {} if self.own else {"folds": sorted({member.run.key.fold for member in self.answers})}
        return Provenance(PREDICT, settings, inputs)

    def asked(self, studies: pd.DataFrame) -> pd.DataFrame:
        """The studies that are answered for: those without labels, or all of another data set."""
        return (studies[studies["split"] == "test"] if self.own else studies).reset_index(drop=True)


def find_task(command: SpineCommand) -> AnswerTask:
    """All that the answers need. Raises MissingInput or StaleOutput, with the commands, where a part is not there."""
    work, experiment, remedy_of = command.work, command.experiment, remedies(command)
    own = command.data_set == command.config.data_set
    answers, scored = answering(command), validated(command) if own else []
    data = open_data_set(work, command.data_set, remedy_of)
    boxes = require(work, boxes_folder(work, command.data_set, experiment), BOXES, remedy_of)
    labels = None
    if own:
        labels = require(work, pseudo_labels_folder(work, command.data_set, experiment), VERTEBRAE, remedy_of)
    folder = predictions_folder(work, None if own else command.data_set, experiment)
    run = None if own else scored_run(command)
    return AnswerTask(command, data, boxes, answers, scored, curve_networks(command), labels, folder, run)


def read_curves(task: AnswerTask) -> pd.DataFrame:
    """Where the vertebrae of all studies lie that are answered for, PSEUDO_SCHEMA: out of fold, and without labels."""
    found = [] if task.labels is None else [read_pseudo_labels(task.labels)]
    if (task.folder / CURVES).exists():
        found.append(read_table(task.folder / CURVES, PSEUDO_SCHEMA))
    return pd.concat(found, ignore_index=True)


def answers_of(
    task: AnswerTask, studies: pd.DataFrame, probabilities: np.ndarray, peaks: pd.DataFrame, **more: Any
) -> Answers:
    """What is told of some studies. probabilities: (n, 8). peaks: as `peaks_of` gives them. more: as for Answers."""
    facts, boxes = facts_of(task.answers[0].output.record, task.data), read_boxes(task.boxes)
    trained_on = in_words(facts, task.command.config.data_set)
    slices, warnings = read_slices(task.data, SLICE_COLUMNS), outside(studies, boxes, peaks, facts)
    return Answers(studies, slices, probabilities, boxes, peaks, trained_on, warnings, **more)


def write_submission(path: Path, task: AnswerTask, studies: pd.DataFrame, asked: list[str], found: np.ndarray) -> None:
    """Write what the sample submission asks for; without one, eight rows for each of `asked`.

    studies: the data set's, of which those with labels tell the best constant: what a study takes that is asked for
    and could not be predicted. asked: (T,); found: (T, 8).
    """
    rows = sample_rows(task.sample) if task.sample.exists() else rows_of(asked)
    labels = studies.loc[studies["split"] == "train", list(NAMES)].to_numpy(np.float64, na_value=np.nan)
    submission = fill(rows, asked, found, best_constant(labels))
    for what, names in (
        (
            "studies of the sample submission without a prediction, for which stands the best constant",
            submission.filled,
        ),
        ("predicted studies that the sample submission lacks, left out", submission.left_out),
    ):
        if names:
            logger.warning("%s; the first: %s", count_of(len(names), what), ", ".join(names[:SHOWN]))
    write(path, submission)
