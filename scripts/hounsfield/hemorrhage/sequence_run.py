"""One run of the sequence network, on the embeddings by one classifier checkpoint: its files, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.competitions.rsna2019.paths import slices_path
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table, write_predictions
from hounsfield.core.storage.files import file_digest
from hounsfield.hemorrhage.config import HemorrhageConfig, sequence_settings
from hounsfield.hemorrhage.paths import predictions_folder, predictions_path, sequence_folder, store_folder


@dataclass(frozen=True)
class SequenceRun:
    """Which run it is, and with it where its files lie."""

    work: Path
    experiment: str
    config: HemorrhageConfig
    data_set: str  # that is predicted
    fold: str  # validation fold, or `all`
    epoch: int  # of the classifier

    @property
    def name(self) -> str:
        """For messages."""
        return f"sequence fold {self.fold} epoch {self.epoch}"

    @property
    def folder(self) -> Path:
        """Its weights and training state."""
        return sequence_folder(self.work, self.experiment, self.fold, self.epoch)

    @property
    def store(self) -> Path:
        """The embeddings of the data set that is predicted."""
        return store_folder(self.work, self.data_set, self.experiment, self.fold, self.epoch)

    @property
    def predictions(self) -> Path:
        """Its table of probabilities."""
        folder = predictions_folder(self.work, self.experiment, self.config.data_set, self.data_set)
        return predictions_path(folder, self.fold, self.epoch)

    def weights(self, epoch: int) -> Path:
        """Weights of the sequence network after one of its own epochs."""
        return self.folder / f"epoch{epoch}.safetensors"

    def facts(self) -> dict[str, Any]:
        """Which run it is, for manifests."""
        names = ("experiment", "data_set", "fold", "epoch")
        return {name: getattr(self, name) for name in names}

    def manifest(self) -> dict[str, Any]:
        """What the predictions rest on."""
        slices = slices_path(self.work, self.data_set)
        inputs = {"slices": file_digest(slices), "store": file_digest(self.store / "manifest.json")}
        return {"stage": "sequence", **self.facts(), "settings": sequence_settings(self.config), "inputs": inputs}

    def write(self, images: pd.Series, splits: np.ndarray, probabilities: np.ndarray, manifest: dict[str, Any]) -> None:
        """Write the table. images: (N,) image_id. splits: (N,) OUT_OF_FOLD, TEST, or "" for rows to be left out."""
        frame = prediction_table(LABELS, images.to_numpy(), splits, probabilities)
        write_predictions(self.predictions, LABELS, frame[frame["split"] != ""], manifest)


def splits_of(slices: pd.DataFrame, validation: np.ndarray) -> np.ndarray:
    """Of each slice OUT_OF_FOLD, TEST, or "" where it was trained on. validation: (N,) bool."""
    return np.where(validation, OUT_OF_FOLD, np.where(slices["split"] == "test", TEST, ""))
