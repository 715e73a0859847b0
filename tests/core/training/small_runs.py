"""Runs of the training loop on a network of a few numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lone_devices import CPU
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches, epoch_order, split_batch
from hounsfield.core.training.loop import Batch, TrainingRun, training
from hounsfield.core.training.schedules import warm_up_cosine
from killed_runs import Killed

SAMPLES, BATCH, EPOCHS = 18, 4, 3
STEPS = 5  # of an epoch: the last batch has two samples
INPUTS = torch.from_numpy(np.random.default_rng(0).normal(size=(SAMPLES, 3)).astype(np.float32))
TARGETS = INPUTS.sum(dim=1).sin()


class Numbers:
    """An epoch's batches of samples by number."""

    def __init__(
        self, epoch: int, devices: Devices, *, batch_size: int = BATCH, parts: int = 1, steps: int | None = None
    ) -> None:
        self._rows = batches(epoch_order(1, epoch, SAMPLES), batch_size)[:steps]
        self._place = {"rank": devices.rank, "world": devices.world, "parts": parts}

    def __len__(self) -> int:
        return len(self._rows)

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        for rows in self._rows[first:]:
            yield [Batch(s.samples, torch.from_numpy(s.weights)) for s in split_batch(rows, **self._place)]

    def describe(self, step: int) -> str:
        return f"the numbers {self._rows[step].tolist()}"


class Outcome(NamedTuple):
    weights: list[Tensor]
    carried: Tensor
    rates: list[float]  # learning rate of each step that was taken
    was_fresh: bool


def network_of(*, dropout: float) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))


def train(
    folder: Path,
    devices: Devices = CPU,
    *,
    epochs: int = EPOCHS,
    dropout: float = 0.5,
    before_step: Callable[[int], None] = lambda _: None,
    after_steps: Callable[[TrainingRun], None] = lambda _: None,
    no_number_at: int = -1,
    plateau: bool = False,
    warm_up: float | None = None,
    clip_norm: float | None = None,
    **options: int,
) -> Outcome:
    """Train in `folder` to the end. before_step: called with the number of the loss, before it is computed.

    no_number_at: the number of the loss that is NaN. plateau: the rate falls after an epoch that scored no better than
    the one before it, which they all do from the second on. warm_up: the rate rises and falls with each step.
    """
    network = network_of(dropout=dropout)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    schedule: LRScheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2], 0.5)
    if plateau:
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", 0.5, patience=0)
    elif warm_up is not None:
        schedule = warm_up_cosine(optimizer, epochs * STEPS, warm_up)
    rates: list[float] = []

    def loss(rows: np.ndarray) -> Tensor:
        before_step(len(rates))
        factor = np.nan if len(rates) == no_number_at else 1
        rates.append(optimizer.param_groups[0]["lr"])
        return factor * (network(INPUTS[rows])[:, 0] - TARGETS[rows]) ** 2

    with training(
        folder, network, optimizer, schedule, devices, seed=1, save_every=2, name="test", scalars=folder / "scalars",
        clip_norm=clip_norm, schedule_by="epoch" if warm_up is None else "step",
    ) as run:  # fmt: skip
        if run.is_fresh:
            run.tensors["carried"] = torch.zeros(())
        while run.epoch < epochs:
            run.steps(Numbers(run.epoch, devices, **options), loss)
            after_steps(run)
            run.tensors["carried"] += network[0].weight.detach().sum()
            run.end_epoch({"weighted_log_loss": 0.5}, score=0.5)
        carried = run.tensors["carried"].clone()
    return Outcome([value.clone() for value in network.state_dict().values()], carried, rates, run.is_fresh)


def same(one: Outcome, other: Outcome) -> bool:
    pairs = zip([*one.weights, one.carried], [*other.weights, other.carried], strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def die_at(step: int) -> Callable[[int], None]:
    def die(number: int) -> None:
        if number == step:
            raise Killed

    return die
