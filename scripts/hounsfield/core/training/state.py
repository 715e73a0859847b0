"""Where a training run stands, on disk: everything that the next step depends on."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from hounsfield.core.errors import StaleOutput
from hounsfield.core.logs import logger
from hounsfield.core.storage.checkpoints import load_state, save_state
from hounsfield.core.training.schedules import ScheduleBy


@dataclass
class TrainingState:
    """The parts of a run and its place: the epoch, the next step in it, the sum of the epoch's step losses so far."""

    path: Path
    network: nn.Module
    optimizer: Optimizer
    scaler: GradScaler
    schedule: LRScheduler | None = None
    processes: int = 1
    precision: str = "float32"
    clip_norm: float | None = None  # of all gradients together, before a step
    schedule_by: ScheduleBy = "epoch"
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    tensors: dict[str, Tensor] = field(default_factory=dict)  # what else is carried from epoch to epoch

    def restore(self) -> bool:
        """Go back to where the last run stopped; False when there is nothing to go on from.

        Raises StaleOutput when it computed in another precision.
        """
        state = load_state(self.path)
        if state is None:
            return False
        if state["precision"] != self.precision:
            raise StaleOutput(
                f"{self.path} was trained in {state['precision']}, and this run is in {self.precision}: go on where it "
                "was begun, name that precision, or begin anew with --force"
            )
        if state["processes"] != self.processes:
            logger.warning(
                "going on with %d processes instead of %d: the same slices in the same order, but sums are rounded "
                "otherwise, and batch normalisation sees each process's share of a batch by itself",
                self.processes,
                state["processes"],
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.step, self.loss = state["epoch"], state["step"], state["loss"]
        self.tensors = state["tensors"]
        logger.info("going on from epoch %d, step %d", self.epoch, self.step)
        return True

    def save(self) -> None:
        """Write the state; the one before it stays until the next save."""
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "processes": self.processes,
            "precision": self.precision,
            "epoch": self.epoch,
            "step": self.step,
            "loss": self.loss,
            "tensors": self.tensors,
        }
        save_state(self.path, state)

    def descend(self, loss: Tensor) -> None:
        """Add one loss's gradients, scaled where half precision asks for it."""
        self.scaler.scale(loss).backward()

    def update(self, loss: float) -> None:
        """Change the weights by the gradients, and step to the next place."""
        if self.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.schedule is not None and self.schedule_by == "step":
            self.schedule.step()
        self.loss += loss
        self.step += 1

    def next_epoch(self, score: float = math.nan) -> None:
        """Step over to the beginning of the next epoch, and to its learning rate.

        score: of the epoch that ends, for a schedule that waits for a plateau.
        """
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(score)
        elif self.schedule is not None and self.schedule_by == "epoch":
            with warnings.catch_warnings():
                # a run that goes on from an epoch's last step has not called the optimiser in this process
                warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
                self.schedule.step()
        self.epoch, self.step, self.loss = self.epoch + 1, 0, 0.0
