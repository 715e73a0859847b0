"""Training an image classifier, the same for every system. N slices, B slices in a batch, C classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hounsfield.core.counts import count_of
from hounsfield.core.logs import logger
from hounsfield.core.stages.outputs import UNFINISHED
from hounsfield.core.storage.checkpoints import save_weights, weights_name, with_facts
from hounsfield.core.training.backbones import build_network, load_pretrained
from hounsfield.core.training.batches import ImageBatch, ImageBatches, SliceImages, shared_batches
from hounsfield.core.training.blocks import share_rows
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import epoch_order, seed_of
from hounsfield.core.training.loop import training


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

    def files(self) -> list[str]:
        """The names of what is left: weights and facts of every epoch."""
        return with_facts(map(weights_name, range(self.settings.epochs)))


def train_classifier(
    task: Classifier, train: SliceImages, validation: SliceImages, devices: Devices, course: Course | None = None
) -> None:
    """Train from where the last run stopped to the last epoch; each epoch is scored and leaves its weights.

    train, validation: the images to learn from and to score; no patient should be in both. course: of the stage.
    """
    settings = task.settings
    told = count_of(len(train), train.unit), len(validation), count_of(settings.epochs, "epochs")
    logger.info("%s: %s to learn from, %d to score, %s", task.name, *told)
    torch.manual_seed(seed_of(task.seed))
    network = devices.place(build_network(task.backbone, task.classes))
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = None if task.schedule is None else task.schedule(optimizer)
    with training(
        task.folder / UNFINISHED,
        network,
        optimizer,
        schedule,
        devices,
        seed=task.seed,
        save_every=settings.save_every,
        name=task.name,
        scalars=task.folder / "tensorboard",
        course=course,
    ) as run:
        if run.is_fresh:
            load_pretrained(network, task.backbone, task.pretrained, download=settings.download)
        model = devices.wrap(network)
        if settings.compile:
            model.compile()
        loss = classifier_loss(task, model, devices)
        while run.epoch < settings.epochs:
            run.steps(epoch_batches(task, train, run.epoch, devices), loss)
            shape = (len(validation), task.classes)
            probabilities = share_rows(predict_slices(task, network, validation, devices), shape, devices, run.stop)
            scores = task.score(probabilities, validation.labels)
            if devices.first:
                facts = {**task.facts, "epoch": run.epoch, "scores": scores}
                save_weights(task.folder / weights_name(run.epoch), network.state_dict(), facts)
            run.end_epoch(scores)


def classifier_loss(task: Classifier, model: nn.Module, devices: Devices) -> Callable[[ImageBatch], Tensor]:
    """The loss of every slice of a batch, (B,)."""

    def loss(batch: ImageBatch) -> Tensor:
        with devices.autocast():
            logits = model(task.normalise(batch.images.to(devices.device, non_blocking=True)))
        return task.loss(logits, batch.labels.to(devices.device, non_blocking=True))

    return loss


def epoch_batches(task: Classifier, images: SliceImages, epoch: int, devices: Devices) -> ImageBatches:
    """One epoch's batches as the settings want them."""
    settings = task.settings
    return ImageBatches(
        images,
        epoch,
        devices,
        order=epoch_order(task.seed, epoch, len(images)),
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        drop_last=task.drop_last,
        steps=settings.steps_per_epoch,
        workers=settings.workers,
    )


@torch.no_grad()
def predict_slices(
    task: Classifier, network: nn.Module, images: SliceImages, devices: Devices
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """This process's share of the slices: row numbers (B,) and probabilities (B, C) float64."""
    network.eval()
    settings = task.settings
    for rows, batch in shared_batches(images, settings.batch_size, devices, workers=settings.workers):
        with devices.autocast():
            logits = network(task.normalise(batch.images.to(devices.device, non_blocking=True)))
        yield rows, logits.double().sigmoid()
