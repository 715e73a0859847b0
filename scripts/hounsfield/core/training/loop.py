"""Training an image classifier, and predicting with it: the same engine for every system.

N slices, B slices in a batch, C classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hounsfield.core.errors import BadInput
from hounsfield.core.logs import Scalars, Stopwatch, logger, progress, summary
from hounsfield.core.storage.checkpoints import save_weights, weights_exist
from hounsfield.core.training.batches import UNAUGMENTED, SliceImages, load_batches
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import (
    Stopped,
    StopRequest,
    batches,
    epoch_order,
    seed_of,
    seed_step,
    split_batch,
    stop_on_sigterm,
)
from hounsfield.core.training.networks import build_network, load_pretrained
from hounsfield.core.training.state import TrainingState


class _Settings(Protocol):
    """What a system's configuration says of a training run."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def accumulate(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def compile(self) -> bool: ...
    @property
    def download(self) -> bool: ...
    @property
    def workers(self) -> int: ...
    @property
    def steps_per_epoch(self) -> int | None: ...
    @property
    def save_every(self) -> int: ...


@dataclass(frozen=True)
class Classifier:
    """A classifier to be trained: the network, what it minimises, how it is scored, and where its epochs go."""

    name: str  # in messages
    folder: Path
    backbone: str
    pretrained: str | None  # a file to start from
    classes: int
    settings: _Settings
    seed: int
    normalise: Callable[[Tensor], Tensor]  # images (B, S, S, 3) as loaded -> (B, 3, S, S) float32
    loss: Callable[[Tensor, Tensor], Tensor]  # logits, labels (B, C) -> (B,)
    score: Callable[[np.ndarray, np.ndarray], dict[str, float | None]]  # probabilities, labels (N, C)
    facts: dict[str, Any]  # written beside the weights
    schedule: Callable[[Optimizer], LRScheduler] | None = None  # None: the learning rate is constant
    drop_last: bool = False  # leave out an epoch's last batch when it is smaller than the others

    def weights(self, epoch: int) -> Path:
        """Weights after one epoch."""
        return self.folder / f"epoch{epoch}.safetensors"


def train(task: Classifier, learnt: SliceImages, held_out: SliceImages, devices: Devices) -> None:
    """Train from where the last run stopped to the last epoch; each epoch is scored and leaves its weights.

    learnt, held_out: the images to learn from and to score; no patient should be in both.
    """
    settings = task.settings
    torch.manual_seed(seed_of(task.seed))
    network = devices.place(build_network(task.backbone, task.classes))
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = None if task.schedule is None else task.schedule(optimizer)
    scaler = torch.amp.GradScaler(devices.device.type, enabled=devices.scales_gradients)
    state = TrainingState(
        task.folder / "state.pt", network, optimizer, scaler, schedule, devices.world, devices.precision
    )
    if not state.restore():
        load_pretrained(network, task.backbone, task.pretrained, download=settings.download)
    model = devices.wrap(network)
    if settings.compile:
        model.compile()
    scalars = Scalars(task.folder / "tensorboard", enabled=devices.first)
    with stop_on_sigterm() as stop:
        while state.epoch < settings.epochs:
            watch = Stopwatch()
            waited = _train_epoch(task, devices, model, state, learnt, stop)
            scores = task.score(predict(task, network, held_out, devices, stop), held_out.labels)
            _report(task, state, scores, scalars)
            if devices.first:
                save_weights(
                    task.weights(state.epoch),
                    network.state_dict(),
                    {**task.facts, "epoch": state.epoch, "scores": scores},
                )
            times = {"s waiting for data": f"{waited:.1f}", "s computing": f"{watch.seconds - waited:.1f}"}
            seen = min(len(learnt), state.step * settings.batch_size)
            summary(f"{task.name} epoch {state.epoch}", seen, "slices", watch.seconds, times)
            state.next_epoch()
            if devices.first:
                state.save()
    scalars.close()
    if devices.first:
        state.clear()


def is_trained(task: Classifier) -> bool:
    """True when the weights of every epoch are written."""
    return all(weights_exist(task.weights(epoch)) for epoch in range(task.settings.epochs))


@torch.no_grad()
def predict(
    task: Classifier, network: nn.Module, images: SliceImages, devices: Devices, stop: StopRequest
) -> np.ndarray:
    """Probabilities of all slices of `images`, (N, C) float64, the same in every process.

    The processes share the batches; each adds its rows to a table of zeros, and the tables are summed. Raises Stopped
    in all of them when one was asked to stop; the epoch's training is saved by then.
    """
    network.eval()
    own = batches(np.arange(len(images)), task.settings.batch_size)[devices.rank :: devices.world]
    found = torch.zeros(len(images), task.classes, dtype=torch.float64)
    loader = load_batches(
        images,
        [(UNAUGMENTED, rows) for rows in own],
        workers=task.settings.workers,
        pin=devices.device.type == "cuda",
    )
    for rows, batch in zip(own, loader, strict=True):
        if stop.received:
            break
        with devices.autocast():
            logits = network(task.normalise(batch.images.to(devices.device, non_blocking=True)))
        found[rows] = logits.double().sigmoid().cpu()
    if devices.total(torch.tensor(float(stop.received), device=devices.device)).item():
        raise Stopped
    return devices.total(found.to(devices.device)).cpu().numpy()


def _train_epoch(
    task: Classifier,
    devices: Devices,
    model: nn.Module,
    state: TrainingState,
    images: SliceImages,
    stop: StopRequest,
) -> float:
    """Train from the state's place to the end of its epoch. Returns the seconds spent waiting for data."""
    settings = task.settings
    order = epoch_order(task.seed, state.epoch, len(images))
    todo = batches(order, settings.batch_size, drop_last=task.drop_last)[: settings.steps_per_epoch]
    if not todo:
        raise BadInput(
            f"{task.name}: {len(images)} slices to learn from are fewer than one batch of {settings.batch_size}, and "
            "a smaller batch is dropped: lower the batch size, or keep the last batch"
        )
    shares = [split_batch(b, rank=devices.rank, world=devices.world, parts=settings.accumulate) for b in todo]
    loader = load_batches(
        images,
        [(state.epoch, share.samples) for step in shares[state.step :] for share in step],
        workers=settings.workers,
        pin=devices.device.type == "cuda",
    )
    model.train()
    waited = 0.0
    for step in progress(range(state.step, len(todo)), unit="step", label=f"epoch {state.epoch}"):
        seed_step(task.seed, state.epoch, step, devices.rank)
        state.optimizer.zero_grad(set_to_none=True)
        step_loss = torch.zeros((), device=devices.device)
        for share in shares[step]:
            start = time.perf_counter()
            batch = next(loader)
            waited += time.perf_counter() - start
            with devices.autocast():
                logits = model(task.normalise(batch.images.to(devices.device, non_blocking=True)))
            losses = task.loss(logits, batch.labels.to(devices.device, non_blocking=True))
            loss = (losses * torch.from_numpy(share.weights).to(devices.device)).sum()
            # gradients are averaged over the processes; the weights alone already make the sum a mean
            state.descend(loss * devices.world)
            step_loss += loss.detach()
        # one process that is asked to stop stops them all, at the same step
        loss_sum, stops = devices.total(torch.stack([step_loss, step_loss.new_tensor(float(stop.received))])).tolist()
        state.update(_finite(loss_sum, images, todo[step]))
        last = state.step == len(todo)
        if devices.first and (stops or last or state.step % settings.save_every == 0):
            state.save()
        if stops:
            raise Stopped
    devices.share_buffers(state.network)
    return waited


def _finite(loss: float, images: SliceImages, rows: np.ndarray) -> float:
    """The loss as it is. Raises BadInput naming the batch's slices when it is not a finite number."""
    if not math.isfinite(loss):
        raise BadInput(
            f"the loss is {loss} on the slices {', '.join(images.image_ids(rows)[:64])}: look at these images, or "
            "lower the learning rate; what was saved before is intact"
        )
    return loss


def _report(task: Classifier, state: TrainingState, scores: dict[str, float | None], scalars: Scalars) -> None:
    """Log the epoch's losses and what else was scored."""
    numbers = {"training_loss": state.loss / max(1, state.step)}
    numbers |= {name: math.nan if value is None else value for name, value in scores.items()}
    losses = [f"{name.replace('_', ' ')} {value:.4f}" for name, value in numbers.items() if "loss" in name]
    areas = [f"{name.removeprefix('auc_')} {value:.3f}" for name, value in numbers.items() if name.startswith("auc_")]
    listing = ", ".join([*losses, f"AUC {' '.join(areas)}"])
    logger.info("%s epoch %d: %s", task.name, state.epoch, listing)
    for name, value in numbers.items():
        scalars.add(name, value, state.epoch)
