"""Predicting whole series with the sequence network. B series, T slices, N slices of the data set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.core.errors import StaleOutput
from hounsfield.core.evaluation.predictions import TEST
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.outputs import output
from hounsfield.core.stages.upstream import Upstream, check_made, reading
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training.blocks import share_rows
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches
from hounsfield.core.training.stops import StopRequest, stop_on_sigterm
from hounsfield.hemorrhage.config import SequenceConfig
from hounsfield.hemorrhage.paths import PREDICTIONS, PROBABILITIES
from hounsfield.hemorrhage.sequence_batches import (
    EmbeddingStore,
    SeriesIndex,
    build_batch,
    index_series,
    open_store,
    prediction_batches,
)
from hounsfield.hemorrhage.sequence_network import SequenceNetwork
from hounsfield.hemorrhage.sequence_run import SequenceRun, splits_of, write_run
from hounsfield.hemorrhage.training import validation_slices
from hounsfield.hemorrhage.weights import read_weights


def predict_series(
    network: SequenceNetwork,
    store: EmbeddingStore,
    index: SeriesIndex,
    rows: int,
    config: SequenceConfig,
    devices: Devices,
    stop: StopRequest,
) -> np.ndarray:
    """Probabilities of every slice of the series in `index`: (rows, C) float64, zero in the rows of other series.

    Unpacked, the batches are cut from the series as they stand, since what shares a batch counts.
    Raises Stopped in all processes when one was asked to stop.
    """
    network.eval()
    size, no_labels = config.predict_batch_size, np.zeros((rows, network.classes), np.float32)
    todo = prediction_batches(index.lengths, size) if config.packed else batches(np.arange(len(index.lengths)), size)

    @torch.no_grad()
    def own_share() -> Iterator[tuple[Tensor, Tensor]]:
        """Row numbers (n,) and probabilities (n, C) float64 of the n slices of each batch."""
        for series in todo[devices.rank :: devices.world]:
            batch = build_batch(store, index, series, no_labels, pad_front=not config.packed).to(devices.device)
            with devices.autocast():
                logits = network(batch.embeddings, batch.is_slice)
            yield batch.rows[batch.rows >= 0], logits.double().sigmoid()[batch.is_slice]

    return share_rows(own_share(), (rows, network.classes), devices, stop)


def write_predictions(run: SequenceRun, slices: pd.DataFrame, devices: Devices) -> None:
    """Write what the trained network predicts of its own data set: the mean over its last epochs, found in training."""
    network = run.network()
    provenance = run.provenance_of_predictions(sequence_network=network)
    force = run.command.force
    with output(run.predictions, provenance, force=force, remedy=run.remedy, processes=devices) as out:
        if out.finished:
            return
        mean = open_array(network.file(PROBABILITIES), remedy=network.remedy)
        if devices.first:
            splits = splits_of(slices, validation_slices(slices, run.fold))
            write_run(run.predictions / PREDICTIONS, label_set_of(network), slices["image_id"], splits, mean)
        out.finish([PREDICTIONS], learned=network.learned(), facts=label_facts(network))


def predict_studies(run: SequenceRun, slices: pd.DataFrame, devices: Devices) -> None:
    """Predict another data set than the one trained on: the mean over the epochs whose weights were kept.

    Raises MissingInput without these weights, and StaleOutput when they were trained with other settings, or on the
    embeddings of another classifier.
    """
    watch, network, embeddings = Stopwatch(), run.network(), run.embeddings()
    refuse_other_network(run, network, embeddings)
    provenance = run.provenance_of_predictions(embeddings=embeddings, sequence_network=network)
    epochs = kept_epochs(run.config.sequence)
    provenance.settings["epochs_averaged"] = epochs
    force = run.command.force
    claim = output(run.predictions, provenance, force=force, remedy=run.remedy, processes=devices)
    with reading(embeddings.folder), reading(network.folder), claim as out:
        if out.finished:
            logger.info("%s: nothing to do, %s is written", run.name, run.predictions / PREDICTIONS)
            return
        mean = _mean_over_epochs(run, open_store(embeddings, slices["image_id"]), network, epochs, slices, devices)
        if devices.first:
            splits = np.full(len(slices), TEST)
            write_run(run.predictions / PREDICTIONS, label_set_of(network), slices["image_id"], splits, mean)
        out.finish([PREDICTIONS], learned=network.learned(), facts=label_facts(network))
    summary(run.name, len(slices), "slices", watch.seconds, {"epochs averaged": len(epochs)})


def kept_epochs(config: SequenceConfig) -> list[int]:
    """The last epochs, as many as are kept and averaged."""
    return list(range(config.epochs - min(config.keep_epochs, config.epochs_to_bag), config.epochs))


def refuse_other_network(run: SequenceRun, network: Upstream, embeddings: Upstream) -> None:
    """Raise StaleOutput when the network was trained with other settings, or on another classifier's embeddings."""
    check_made(network, run.settings())
    facts = network.record["facts"]
    for name, found in (("classifier", classifier_digest(embeddings)), ("width", embeddings.record["facts"]["width"])):
        if facts[name] != found:
            raise StaleOutput(
                f"{network.folder} was trained on embeddings by another classifier ({name}: {facts[name]} -> {found}). "
                f"Train again: {network.remedy} --force"
            )


def classifier_digest(embeddings: Upstream) -> str | None:
    """Digest of the classifier that made embeddings; None where it is unknown (those published in 2019)."""
    made_from = embeddings.record["inputs"].get("classifier")
    return None if made_from is None else made_from["sha256"]


def _mean_over_epochs(
    run: SequenceRun,
    store: EmbeddingStore,
    trained: Upstream,
    epochs: list[int],
    slices: pd.DataFrame,
    devices: Devices,
) -> np.ndarray:
    """Probabilities of all slices, (N, C) float64."""
    settings, index, classes = run.config.sequence, index_series(slices), len(label_set_of(trained).names)
    network = run.build_sequence_network(store.width, classes).to(devices.device)
    total = np.zeros((len(slices), classes))
    with stop_on_sigterm() as stop:
        for epoch in epochs:
            network.load_state_dict(read_weights(trained, epoch)[0])
            total += predict_series(network, store, index, len(slices), settings, devices, stop)
    return total / len(epochs)
