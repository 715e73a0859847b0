"""One epoch of sequence training, and prediction. B series, T slices, N slices of the data set."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import BadInput
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import Stopped, StopRequest, batches, epoch_order, seed_step, split_batch
from hounsfield.core.training.state import TrainingState
from hounsfield.hemorrhage.config import SequenceConfig
from hounsfield.hemorrhage.losses import hemorrhage_loss
from hounsfield.hemorrhage.sequence_batches import (
    EmbeddingStore,
    SeriesIndex,
    build_batch,
    prediction_batches,
    training_batches,
)


def train_epoch(
    network: nn.Module,
    state: TrainingState,
    store: EmbeddingStore,
    index: SeriesIndex,
    labels: np.ndarray,
    config: SequenceConfig,
    seed: int,
    devices: Devices,
    stop: StopRequest,
) -> None:
    """Train from the state's place to the end of its epoch. labels: (N, 6) float32; index: the training series."""
    order = epoch_order(seed, state.epoch, len(index.lengths))
    size = config.batch_size
    todo = training_batches(index.lengths, size, order) if config.packed else batches(order, size)
    network.train()
    for step in range(state.step, len(todo)):
        seed_step(seed, state.epoch, step, devices.rank)
        share = split_batch(todo[step], rank=devices.rank, world=devices.world, parts=1)[0]
        longest = int(index.lengths[todo[step]].max())  # of all processes: unpacked, padding shapes what is learnt
        batch = build_batch(store, index, share.samples, labels, pad_front=not config.packed, longest=longest)
        batch = batch.to(devices.device)
        state.optimizer.zero_grad(set_to_none=True)
        with devices.autocast():
            logits = network(batch.embeddings, batch.is_slice)
        losses = hemorrhage_loss(logits, batch.labels)  # (B, T)
        series = torch.from_numpy(np.sign(share.weights)).to(devices.device)  # 0 for a process without a series
        counted = batch.is_slice * series[:, None] / int(index.lengths[todo[step]].sum())
        loss = (losses * counted).sum()
        state.descend(loss * devices.world)
        # one process that is asked to stop stops them all, at the same step
        both = torch.stack([loss.detach(), loss.new_tensor(float(stop.received))])
        total, stops = devices.total(both).tolist()
        if not math.isfinite(total):
            raise BadInput(
                f"the loss is {total} on the series that begin at rows {index.starts[todo[step]].tolist()} of "
                "slices.parquet: look at their embeddings, or lower sequence.learning_rate"
            )
        state.update(total)
        if devices.first and (stops or state.step == len(todo) or state.step % config.save_every == 0):
            state.save()
        if stops:
            raise Stopped


@torch.no_grad()
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
    Raises Stopped in all processes when one was asked to stop; the epoch's training is saved by then.
    """
    network.eval()
    found = torch.zeros(rows, len(CLASSES), dtype=torch.float64)
    no_labels = np.zeros((rows, len(CLASSES)), np.float32)
    size = config.predict_batch_size
    todo = prediction_batches(index.lengths, size) if config.packed else batches(np.arange(len(index.lengths)), size)
    for series in todo[devices.rank :: devices.world]:
        if stop.received:
            break
        batch = build_batch(store, index, series, no_labels, pad_front=not config.packed).to(devices.device)
        with devices.autocast():
            logits = network(batch.embeddings, batch.is_slice)
        found[batch.rows[batch.rows >= 0]] = logits.double().sigmoid()[batch.is_slice].cpu()
    if devices.total(torch.tensor(float(stop.received), device=devices.device)).item():
        raise Stopped
    return devices.total(found.to(devices.device)).cpu().numpy()
