"""A training run that can be killed at any moment and goes on as if it had not been. The loop itself stays visible:

    with training(folder, network, optimizer, schedule, devices, ...) as run:
        if run.is_fresh:
            load_pretrained(network, ...)
        model = devices.wrap(network)
        while run.epoch < epochs:
            run.steps(batches_of(run.epoch), loss)
            run.end_epoch(scores)

A step asks for batches of (samples, weights) and for `loss(samples)`, the losses of those samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hounsfield.core.errors import BadInput
from hounsfield.core.logs import Scalars, Stopwatch, logger, progress, summary
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import seed_step
from hounsfield.core.training.scalar_files import SAMPLES_PER_SECOND
from hounsfield.core.training.schedules import ScheduleBy
from hounsfield.core.training.state import TrainingState
from hounsfield.core.training.stops import Stopped, StopRequest, stop_on_sigterm


class Batch(NamedTuple):
    """One process's part of a step: what the loss takes, and how much each of its losses counts.

    Over all parts of a step, in all processes, the weights sum to 1.
    """

    samples: Any
    weights: Tensor  # of the shape that the loss returns


class EpochBatches(Protocol):
    """The batches of one epoch, in their order."""

    def __len__(self) -> int:
        """Steps in the epoch."""

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        """This process's parts of each step from `first` on; several are accumulated."""

    def describe(self, step: int) -> str:
        """The samples of a step, for messages."""


Loss = Callable[[Any], Tensor]  # a batch's samples -> their losses, of the shape of its weights


@contextmanager
def training(
    folder: Path,
    network: nn.Module,
    optimizer: Optimizer,
    schedule: LRScheduler | None,
    devices: Devices,
    *,
    seed: int,
    save_every: int,
    name: str,
    scalars: Path,
    clip_norm: float | None = None,
    course: Course | None = None,
    schedule_by: ScheduleBy = "epoch",
) -> Iterator[TrainingRun]:
    """Go on with the run whose state lies in `folder`, or begin it.

    folder: of what is needed only until the output is done, with which the state goes.
    schedule: stepped with each `schedule_by`; None: the learning rate is constant. save_every: steps between saved
    states. name: of the run, in messages. scalars: folder for TensorBoard, which stays. clip_norm: what the norm of all
    gradients together is brought down to before each step; None: they are taken as they are. course: of the stage,
    whose run of the output that holds `folder` this is; None: it is a run by itself.
    Raises StaleOutput when the state was computed in another precision. SIGTERM raises Stopped in all processes, at the
    same step, with the state saved.
    """
    scaler = torch.amp.GradScaler(devices.device.type, enabled=devices.scales_gradients)
    path = folder / "state.pt"
    state = TrainingState(
        path, network, optimizer, scaler, schedule, devices.world, devices.precision, clip_norm, schedule_by
    )
    fresh = not state.restore()
    if course is not None and devices.first:
        course.begin_run(folder.parent, network)
    with stop_on_sigterm() as stop, closing(Scalars(scalars, enabled=devices.first)) as writer:
        run = TrainingRun(
            state, devices, stop, writer, name=name, seed=seed, save_every=save_every, is_fresh=fresh,
            course=course or Course([], force=False),
        )  # fmt: skip
        try:
            yield run
        except Stopped:
            run.say_stopped()
            raise


class TrainingRun:
    """Where a run stands, and how it goes on. Made by `training`."""

    def __init__(
        self,
        state: TrainingState,
        devices: Devices,
        stop: StopRequest,
        scalars: Scalars,
        *,
        name: str,
        seed: int,
        save_every: int,
        is_fresh: bool,
        course: Course,
    ) -> None:
        self.is_fresh = is_fresh  # nothing was restored
        self.stop = stop
        self._state, self._devices, self._scalars = state, devices, scalars
        self._name, self._seed, self._save_every, self._course = name, seed, save_every, course
        self._watch, self._waited, self._samples = Stopwatch(), 0.0, 0

    @property
    def epoch(self) -> int:
        """The epoch that is being trained, counted from 0."""
        return self._state.epoch

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What else is carried from epoch to epoch, saved with the state."""
        return self._state.tensors

    def steps(self, batches: EpochBatches, loss: Loss) -> None:
        """Take the epoch's steps from where the state stands to the last.

        Raises Stopped after a step when one of the processes was asked to stop, and BadInput, naming the samples, when
        a step's loss is not a finite number.
        """
        state, devices = self._state, self._devices
        self._watch, self._waited, self._samples = Stopwatch(), 0.0, 0
        state.network.train()
        loaded = batches.parts(state.step)
        for step in self._shown(range(state.step, len(batches))):
            start = time.perf_counter()
            parts = self._next_parts(loaded)
            self._waited += time.perf_counter() - start
            total, stops = self._descend(parts, loss)
            if not math.isfinite(total):
                raise BadInput(
                    f"the loss is {total} on {batches.describe(step)}: look at them, or lower the learning rate; what "
                    "was saved before is intact"
                )
            state.update(total)
            last = state.step == len(batches)
            if devices.first and (stops or last or state.step % self._save_every == 0):
                state.save()
            if stops:
                raise Stopped
        devices.share_buffers(state.network)

    def _shown(self, steps: range) -> Iterable[int]:
        """The steps of an epoch, with what is left of it and of the stage; only the first process says so."""
        if not self._devices.first:
            return steps
        count, label = max(1, steps.stop), f"{self._name}, epoch {self._state.epoch}"
        self._course.begin_epoch(self._state.epoch, steps.start / count)
        return progress(
            steps, unit="step", label=label, outlook=lambda done: self._course.outlook((steps.start + done) / count)
        )

    def end_epoch(self, scores: Mapping[str, float | None], *, score: float = math.nan) -> None:
        """Report the epoch's losses and `scores` by name (None: not defined), and step over to the next epoch.

        score: what a schedule that waits for a plateau is stepped by.
        """
        state = self._state
        numbers = {"training_loss": state.loss / max(1, state.step)}
        numbers |= {name: value for name, value in scores.items() if value is not None}
        for name, value in numbers.items():
            self._scalars.add(name, value, state.epoch)
        listing = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in numbers.items())
        logger.info("%s, epoch %d: %s", self._name, state.epoch, listing)
        if self._samples:
            self._scalars.add(SAMPLES_PER_SECOND, self._samples / self._watch.seconds, state.epoch)
        waited = {"s waiting for data": f"{self._waited:.1f}"}
        outlook = self._course.outlook(1)
        self._course.end_epoch()
        summary(f"{self._name}, epoch {state.epoch}", self._samples, "samples", self._watch.seconds, waited, outlook)
        state.next_epoch(score)
        if self._devices.first:
            state.save()

    def _next_parts(self, loaded: Iterator[Sequence[Batch]]) -> Sequence[Batch]:
        """The parts of the next step. Where the run is asked to stop while they are awaited, the state is saved."""
        try:
            return next(loaded)
        except Stopped:
            if self._devices.first:
                self._state.save()
            raise

    def say_stopped(self) -> None:
        """Say where the run was stopped, and how it goes on."""
        state = self._state
        where = f"epoch {state.epoch}, step {state.step}"
        logger.warning("%s: stopped on request, saved at %s; the same command goes on from there", self._name, where)

    def _descend(self, parts: Sequence[Batch], loss: Loss) -> tuple[float, bool]:
        """Add up the gradients of one step. Returns its loss over all processes, and whether any is asked to stop."""
        state, devices = self._state, self._devices
        seed_step(self._seed, state.epoch, state.step, devices.rank)
        state.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=devices.device)
        for samples, weights in parts:
            part = (loss(samples) * weights.to(devices.device)).sum()
            # gradients are averaged over the processes; the weights alone already make the sum a mean
            state.descend(part * devices.world)
            total += part.detach()
        counted = sum(int(weights.reshape(len(weights), -1).any(dim=1).sum()) for _, weights in parts)
        # one process that is asked to stop stops them all, at the same step
        sums = torch.stack([total, total.new_tensor(float(self.stop.received)), total.new_tensor(float(counted))])
        loss_sum, stops, samples_seen = devices.total(sums).tolist()
        self._samples += int(samples_seen)
        return loss_sum, bool(stops)
