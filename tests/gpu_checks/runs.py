"""Runs through the project's own training loop, watched step by step."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gpu_checks.table import Check
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.loop import Batch, EpochBatches, Loss, training

T = TypeVar("T")
HALVES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
LEARNING_RATE = 1e-3  # at which losses fall within a few steps


class Interrupted(Exception):
    """Stands for whatever ends a run between two steps."""


@dataclass(frozen=True)
class Task:
    """A network, and what it is trained on."""

    name: str
    build: Callable[[Devices], nn.Module]  # on its device, always with the same weights
    batches: Callable[[int, Devices], EpochBatches]  # of an epoch
    loss: Callable[[nn.Module, Devices], Loss]
    fp16_on_cpu: bool = True  # torch trains no LSTM in it there


@dataclass
class Clock:
    """When each batch was asked for, and how long it was waited for, in seconds. The last asking may be in vain."""

    starts: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def rate(self, per_step: int, warm_up: int) -> float:
        """How many of something are done per second after the first steps. per_step: how many a step has."""
        return per_step * (len(self.starts) - 1 - warm_up) / self._span(warm_up)

    def waited(self, warm_up: int) -> float:
        """Share of the time after the first steps in which a batch was waited for."""
        return sum(self.waits[warm_up : len(self.starts) - 1]) / self._span(warm_up)

    def _span(self, warm_up: int) -> float:
        return self.starts[-1] - self.starts[warm_up]


@dataclass
class Record:
    """How a run went."""

    network: nn.Module
    losses: list[float] = field(default_factory=list)  # of each step, over all processes
    clock: Clock = field(default_factory=Clock)
    skipped: int = 0  # steps whose scaled gradients did not fit into fp16, and that changed no weight


def clocked(batches: Iterable[T], clock: Clock, stop_at: int | None = None) -> Iterator[T]:
    """The batches, watched. stop_at: raises Interrupted when batch `stop_at` of those of this clock is asked for."""
    loaded = iter(batches)
    while True:
        clock.starts.append(time.perf_counter())
        if len(clock.starts) - 1 == stop_at:
            raise Interrupted
        try:
            batch = next(loaded)
        except StopIteration:
            return
        clock.waits.append(time.perf_counter() - clock.starts[-1])
        yield batch


class Watched:
    """An epoch's batches on a clock, weights beside the samples, so that losses can be noted as they count."""

    def __init__(self, batches: EpochBatches, clock: Clock, stop_at: int | None) -> None:
        self._batches, self._clock, self._stop_at = batches, clock, stop_at
        self.describe = batches.describe

    def __len__(self) -> int:
        return len(self._batches)

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        """Of each step from `first` on."""
        for parts in clocked(self._batches.parts(first), self._clock, self._stop_at):
            yield [Batch((samples, weights), weights) for samples, weights in parts]


def train(
    task: Task,
    devices: Devices,
    folder: Path,
    *,
    epochs: int = 2,
    compiled: bool = False,
    stop_at: int | None = None,
    save_every: int = 2,
    wrap: Callable[[nn.Module], nn.Module] | None = None,
) -> Record:
    """Train in `folder`, from where a run there was interrupted if one was.

    stop_at: the step of this call, counted from 0, before which it is interrupted. wrap: in place of `devices.wrap`.
    """
    record = Record(task.build(devices))
    noted: list[Tensor] = []
    optimizer = torch.optim.Adam(record.network.parameters(), lr=LEARNING_RATE)
    with suppress(Interrupted), training(
        folder, record.network, optimizer, None, devices,
        seed=0, save_every=save_every, name=task.name, scalars=folder / "scalars",
    ) as run:  # fmt: skip
        model = (wrap or devices.wrap)(record.network)
        if compiled:
            model.compile()
        losses_of = task.loss(model, devices)

        def loss(part: tuple[Any, Tensor]) -> Tensor:
            losses = losses_of(part[0])
            noted.append((losses.detach() * part[1].to(devices.device)).sum())
            return losses

        while run.epoch < epochs:
            run.steps(Watched(task.batches(run.epoch, devices), record.clock, stop_at), loss)
            run.end_epoch({})
    record.losses = devices.total(torch.stack(noted)).tolist()
    first = optimizer.state[next(record.network.parameters())]
    record.skipped = max(0, len(noted) - int(first["step"] if first else 0))
    return record


def lone(device: torch.device, precision: str) -> Devices:
    """The devices of a single process. precision: a name of HALVES, or `auto`, which is the stages' own choice."""
    if precision == "auto" and device.type == "cuda":
        precision = "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    return Devices(device, rank=0, world=1, half=HALVES.get(precision))


@contextmanager
def exact() -> Iterator[None]:
    """Compute float32 in float32: a GPU's convolutions and LSTMs are otherwise multiplied in TF32, with ten bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def start_counting(device: torch.device) -> None:
    """Free what earlier measurements have left, and count memory from here."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(name: str, device: torch.device) -> list[Check]:
    """A line with the peak since `start_counting`, on a GPU."""
    if device.type != "cuda":
        return []
    peak = torch.cuda.max_memory_allocated(device) / 10**9
    return [Check(name=f"{name}: peak memory", compared="what torch allocated", measured=peak, unit="GB")]
