"""Prediction with one classifier: the mean over random passes. B slices of a batch, N in all, C classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.checkpoints import load_weights, weights_name
from hounsfield.core.training.backbones import build_network
from hounsfield.core.training.batches import SliceImages, load_batches
from hounsfield.core.training.blocks import fill_arrays
from hounsfield.core.training.devices import Devices
from hounsfield.stacking.config import NetworkConfig, PredictionConfig, TrainingConfig
from hounsfield.stacking.images import normalise


def load_classifier(
    network: NetworkConfig, classifier: Upstream, epoch: int, classes: int, devices: Devices
) -> nn.Module:
    """A trained classifier after one of its epochs, to predict with. classes: C."""
    model = build_network(network.backbone, classes)
    model.load_state_dict(load_weights(classifier.file(weights_name(epoch)))[0])
    return devices.place(model).eval()


def predict_slices(
    path: Path,
    network: nn.Module,
    images: SliceImages,
    config: PredictionConfig,
    training: TrainingConfig,
    devices: Devices,
    classes: int,
) -> None:
    """Write the probabilities of all slices of `images` to `path`, (N, C) float64. classes: C.

    What is drawn for a slice depends on the pass and the slice alone. A killed run goes on with the blocks that are
    missing.
    """
    network.eval()

    @torch.no_grad()
    def compute(batches: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """The mean over the passes, (B, C) float64."""
        keys = [(number, rows) for rows in batches for number in range(config.passes)]
        loader = load_batches(images, keys, workers=training.workers, device=devices.device)
        for rows in batches:
            total = np.zeros((len(rows), classes))
            for _ in range(config.passes):
                with devices.autocast():
                    logits = network(normalise(next(loader).images.to(devices.device, non_blocking=True), training))
                total += logits.double().sigmoid().cpu().numpy()
            yield [total / config.passes]

    size, block = config.batch_size, config.block_batches
    fill_arrays([path], len(images), compute, devices, batch_size=size, block_batches=block)


def slices_to_predict(slices: pd.DataFrame, fold: int) -> pd.DataFrame:
    """The slices that a classifier of one fold predicts: the fold's and the test slices, where they show brain."""
    validation = (slices["split"] != "test") & (slices["fold"] == fold)
    return slices[(validation | (slices["split"] == "test")) & slices["hu_crc32"].notna()]


def predictions_table(label_set: LabelSet, slices: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """One row per predicted slice: image_id, whether it is a test slice, probabilities, (N, C) float64."""
    split = np.where(slices["split"] == "test", TEST, OUT_OF_FOLD)
    return prediction_table(label_set, slices["image_id"].to_numpy(), split, probabilities)
