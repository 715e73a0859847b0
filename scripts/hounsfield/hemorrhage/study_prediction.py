"""Predicting whole series with the sequence network. B series, T slices, N slices of the data set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import StaleOutput
from hounsfield.core.evaluation.predictions import TEST, is_finished
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.outputs import differences
from hounsfield.core.storage.checkpoints import load_weights
from hounsfield.core.storage.files import locked
from hounsfield.core.training.blocks import share_rows
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches
from hounsfield.core.training.stops import StopRequest, stop_on_sigterm
from hounsfield.hemorrhage.config import SequenceConfig
from hounsfield.hemorrhage.networks import SequenceNetwork
from hounsfield.hemorrhage.paths import TRAIN_SEQUENCE
from hounsfield.hemorrhage.sequence_batches import (
    EmbeddingStore,
    SeriesIndex,
    build_batch,
    index_series,
    prediction_batches,
)
from hounsfield.hemorrhage.sequence_run import SequenceRun

Weights = tuple[dict[str, Tensor], dict[str, Any]]  # and the facts beside them


def predict_series(
    network: nn.Module,
    store: EmbeddingStore,
    index: SeriesIndex,
    rows: int,
    config: SequenceConfig,
    devices: Devices,
    stop: StopRequest,
) -> np.ndarray:
    """Probabilities of every slice of the series in `index`: (rows, 6) float64, zero in the rows of other series.

    Unpacked, the batches are cut from the series as they stand, since what shares a batch counts.
    Raises Stopped in all processes when one was asked to stop.
    """
    parts = _predict(network, store, index, rows, config, devices)
    return share_rows(parts, (rows, len(CLASSES)), devices, stop)


@torch.no_grad()
def _predict(
    network: nn.Module, store: EmbeddingStore, index: SeriesIndex, rows: int, config: SequenceConfig, devices: Devices
) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's share: row numbers (n,) and probabilities (n, 6) float64 of the n slices of each batch."""
    network.eval()
    size, no_labels = config.predict_batch_size, np.zeros((rows, len(CLASSES)), np.float32)
    todo = prediction_batches(index.lengths, size) if config.packed else batches(np.arange(len(index.lengths)), size)
    for series in todo[devices.rank :: devices.world]:
        batch = build_batch(store, index, series, no_labels, pad_front=not config.packed).to(devices.device)
        with devices.autocast():
            logits = network(batch.embeddings, batch.is_slice)
        yield batch.rows[batch.rows >= 0], logits.double().sigmoid()[batch.is_slice]


def predict_studies(run: SequenceRun, slices: pd.DataFrame, devices: Devices, *, force: bool) -> None:
    """Predict another data set than the one trained on: the mean over the epochs whose weights were kept.

    Raises MissingInput without these weights, and StaleOutput when they were trained with other settings.
    """
    store, watch, settings = EmbeddingStore(run.store, slices), Stopwatch(), run.config.sequence
    manifest = run.manifest()
    kept = _kept_weights(run, store.width, manifest["settings"])
    manifest["inputs"]["weights"] = [facts["sha256"] for _, facts in kept]
    if not force and is_finished(run.predictions, manifest):
        logger.info("%s: nothing to do, %s is written", run.name, run.predictions)
        return
    index = index_series(slices)
    network = SequenceNetwork(store.width, settings.hidden_units, packed=settings.packed).to(devices.device)
    total = np.zeros((len(slices), len(CLASSES)))
    with stop_on_sigterm() as stop:
        for weights, _ in kept:
            network.load_state_dict(weights)
            total += predict_series(network, store, index, len(slices), settings, devices, stop)
    if devices.first:
        with locked(run.predictions.parent):
            run.write(slices["image_id"], np.full(len(slices), TEST), total / len(kept), manifest)
    summary(run.name, len(slices), "slices", watch.seconds, {"epochs averaged": len(kept)})


def _kept_weights(run: SequenceRun, width: int, settings: dict[str, Any]) -> list[Weights]:
    """The weights of the last epochs, as many as are kept and averaged. width: of the embeddings."""
    epochs, last = run.config.sequence.epochs, min(run.config.sequence.keep_epochs, run.config.sequence.epochs_to_bag)
    kept = [load_weights(run.weights(e), remedy=f"{TRAIN_SEQUENCE} --force") for e in range(epochs - last, epochs)]
    for _, facts in kept:
        changes = differences(facts["settings"], settings)
        if facts["width"] != width:
            changes.append(f"embedding width: {facts['width']} -> {width}")
        if changes:
            raise StaleOutput(
                f"{run.folder}: trained with other settings ({', '.join(changes)}); train again: "
                f"{TRAIN_SEQUENCE} --force"
            )
    return kept
