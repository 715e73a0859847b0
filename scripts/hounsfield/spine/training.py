"""Training one network of any stage: AdamW, warm-up and cosine with each step, the last epoch's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from hounsfield.core.stages.outputs import Output
from hounsfield.core.storage.checkpoints import save_weights, with_facts
from hounsfield.core.training.batches import ImageBatches, Images
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import epoch_order, seed_of
from hounsfield.core.training.loop import EpochBatches, TrainingRun, training
from hounsfield.core.training.schedules import warm_up_cosine
from hounsfield.spine.config import OptimizerConfig, SpineConfig
from hounsfield.spine.paths import WEIGHTS

NetworkT = TypeVar("NetworkT", bound=nn.Module)
EPSILON = 1e-6  # of AdamW, as published
Scores = Mapping[str, float | None]


@dataclass(frozen=True)
class NetworkTask(Generic[NetworkT]):
    """A network that is to be trained: what it is made from, what it minimises, and what its draws follow from."""

    name: str  # in messages
    build: Callable[[], NetworkT]
    start: Callable[[NetworkT], None]  # gives it the weights that it starts from
    loss: Callable[[nn.Module, Any], Tensor]  # the network as it is trained, and a batch -> its losses, (B, ...)
    optimizer: OptimizerConfig
    seeds: tuple[int, ...]
    weigh: Callable[[ImageBatches], EpochBatches] | None = None  # how much each loss of a batch counts; None: alike
    # of the validation fold, after each epoch; None: of a network that has learnt from every study
    score: Callable[[nn.Module, TrainingRun], Scores] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # written beside the weights


def train_network(
    task: NetworkTask[NetworkT], images: Images, out: Output, config: SpineConfig, devices: Devices, course: Course
) -> list[str]:
    """Train from where the last run stopped to the last epoch. Returns the names of the files that are left.

    course: of the stage.
    """
    settings, seed = task.optimizer, seed_of(*task.seeds)
    torch.manual_seed(seed)
    network = task.build()
    devices.place(network)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=settings.learning_rate, weight_decay=settings.weight_decay, eps=EPSILON)
    steps = settings.epochs * math.ceil(len(images) / settings.batch_size)
    schedule = warm_up_cosine(optimizer, steps, settings.warm_up)
    with training(
        out.unfinished, network, optimizer, schedule, devices,
        seed=seed, save_every=config.save_every, name=task.name, scalars=out.folder / "tensorboard",
        course=course, schedule_by="step",
    ) as run:  # fmt: skip
        if run.is_fresh:
            task.start(network)
        loss = partial(task.loss, devices.wrap(network))
        while run.epoch < settings.epochs:
            batches = ImageBatches(
                images, run.epoch, devices, order=epoch_order(seed, run.epoch, len(images)),
                batch_size=settings.batch_size, accumulate=settings.accumulate, workers=config.workers,
            )  # fmt: skip
            run.steps(task.weigh(batches) if task.weigh else batches, loss)
            run.end_epoch(task.score(network, run) if task.score else {})
    if devices.first:
        save_weights(out.folder / WEIGHTS, network.state_dict(), task.facts)
    return with_facts([WEIGHTS])
