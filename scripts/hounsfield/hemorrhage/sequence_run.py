"""One run of the sequence network, on the embeddings by one classifier checkpoint: what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table, write_predictions
from hounsfield.core.stages.command import on_training_set
from hounsfield.core.stages.outputs import Provenance
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.hemorrhage.config import HemorrhageConfig, sequence_settings
from hounsfield.hemorrhage.paths import (
    EXTRACT,
    TRAIN_SEQUENCE,
    predictions_folder,
    run_folder,
    sequence_folder,
    store_folder,
)
from hounsfield.hemorrhage.remedies import HemorrhageCommand, remedies
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore, open_store
from hounsfield.hemorrhage.sequence_network import SequenceNetwork


@dataclass(frozen=True)
class SequenceRun:
    """Which run it is, and with it where its files lie."""

    command: HemorrhageCommand
    data: Upstream  # the data set that is predicted
    fold: str  # validation fold, or `all`
    epoch: int  # of the classifier
    stage: ClassVar[str] = TRAIN_SEQUENCE  # that trains it

    @property
    def name(self) -> str:
        """For messages."""
        return f"sequence fold {self.fold} epoch {self.epoch}"

    @property
    def config(self) -> HemorrhageConfig:
        """The experiment's."""
        return self.command.config

    @property
    def folder(self) -> Path:
        """The network."""
        return sequence_folder(self.command.work, self.command.experiment, self.fold, self.epoch)

    @property
    def predictions(self) -> Path:
        """The probabilities of the data set that is predicted."""
        command = self.command
        folder = predictions_folder(command.work, command.experiment, self.config.data_set, command.data_set)
        return run_folder(folder, self.fold, self.epoch)

    @property
    def remedy(self) -> str:
        """The command that predicts."""
        return remedies(self.command)(self.stage)

    def settings(self) -> dict[str, Any]:
        """What shapes the network."""
        return {**sequence_settings(self.config), "fold": self.fold, "epoch": self.epoch}

    def build_sequence_network(self, width: int, classes: int) -> SequenceNetwork:
        """The network before training. width: of the embeddings."""
        settings = self.config.sequence
        return SequenceNetwork(width, settings.hidden_units, packed=settings.packed, classes=classes)

    def open_store(self, embeddings: Upstream, images: pd.Series) -> EmbeddingStore:
        """What the network reads. images: (N,) image_id of the table of slices."""
        return open_store(embeddings, images)

    def embeddings(self) -> Upstream:
        """The embeddings of the data set that is predicted. Raises MissingInput or StaleOutput."""
        command = self.command
        folder = store_folder(command.work, command.data_set, command.experiment, self.fold, self.epoch)
        return require(command.work, folder, EXTRACT, remedies(command))

    def network(self) -> Upstream:
        """The trained network. Raises MissingInput or StaleOutput."""
        return require(self.command.work, self.folder, self.stage, remedies(on_training_set(self.command)))

    def provenance_of_network(self, embeddings: Upstream) -> Provenance:
        """What the network depends on."""
        inputs = {"data set": self.data.as_input(), "embeddings": embeddings.as_input()}
        return Provenance(self.stage, self.settings(), inputs, libraries=("torch",))

    def provenance_of_predictions(self, **made_from: Upstream) -> Provenance:
        """What the predictions depend on. made_from: by their names, with lower dashes for blanks."""
        inputs = {name.replace("_", " "): one.as_input() for name, one in made_from.items()}
        settings = {"fold": self.fold, "epoch": self.epoch}
        return Provenance(TRAIN_SEQUENCE, settings, {"data set": self.data.as_input(), **inputs})


def write_run(
    path: Path, label_set: LabelSet, images: pd.Series, splits: np.ndarray, probabilities: np.ndarray
) -> None:
    """Write a table of predictions. images: (N,) image_id. splits: (N,); rows that have none are left out."""
    frame = prediction_table(label_set, images.to_numpy(), splits, probabilities)
    write_predictions(path, label_set, frame[frame["split"] != ""])


def splits_of(slices: pd.DataFrame, validation: np.ndarray) -> np.ndarray:
    """Of each slice OUT_OF_FOLD, TEST, or "" where it was trained on. validation: (N,) bool."""
    return np.where(validation, OUT_OF_FOLD, np.where(slices["split"] == "test", TEST, ""))
