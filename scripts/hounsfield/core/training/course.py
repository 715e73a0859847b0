"""How far a training stage is: its runs (folds, networks, parts), the disk for their weights, the time left.

What is left follows from what was measured since the stage was started: the first epoch knows nothing yet of the time
that scoring takes.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from hounsfield.core.counts import count_of
from hounsfield.core.logs import duration, need_space
from hounsfield.core.stages.outputs import UNFINISHED, read_record

STATE = 3  # times the weights: the network, and two moments of each gradient
STATES = 2  # the last one, and the one before it
THERE = ("*.safetensors", f"{UNFINISHED}/state*.pt")  # of a run that was begun before


class PlannedRun(NamedTuple):
    """One run of a stage, before it begins."""

    folder: Path  # of its output
    epochs: int  # at most
    kept: int  # epochs whose weights stay
    cost: float = 1.0  # of an epoch, beside those of the stage's other runs
    network: str = ""  # runs of one name have weights of one size


class Course:
    """The runs of a stage, of which one is trained at a time; without runs it says nothing."""

    def __init__(self, runs: Sequence[PlannedRun], *, force: bool, again: Collection[Path] = ()) -> None:
        """force: finished runs are trained again; without it those whose folders are in `again`."""
        self._runs = list(runs)
        self._ahead = {run.folder for run in runs if force or run.folder in again or read_record(run.folder) is None}
        self._current: PlannedRun | None = None
        self._announced: set[str] = set()  # networks
        self._epoch, self._from = 0, 0.0  # the epoch, and the share of it that was there when it was begun
        self._measured, self._start = 0.0, 0.0  # the cost of the epochs trained here, and since when

    def begin_run(self, folder: Path, network: nn.Module) -> None:
        """Begin the run whose output is `folder`; of each network the first one says what disk the weights will take.

        Raises BadInput when that is not free.
        """
        self._current = next(run for run in self._runs if run.folder == folder)
        self._ahead.discard(folder)
        self._start = self._start or time.monotonic()
        if self._current.network in self._announced:
            return
        self._announced.add(self._current.network)
        weights = sum(value.nbytes for value in network.state_dict().values())
        alike = [run for run in self._runs if run.network == self._current.network]
        runs = [run for run in alike if run.folder == folder or run.folder in self._ahead]
        needed = 0
        for run in runs:
            wanted = (run.kept + (STATES * STATE if run.folder == folder else 0)) * weights
            there = sum(path.stat().st_size for kind in THERE for path in run.folder.glob(kind))
            needed += max(0, wanted - there)
        need_space("train", needed, folder, what=f"weights of {count_of(len(runs), 'runs')} and the training state")

    @property
    def begun(self) -> bool:
        """Whether any run was begun, or gone on with, and not all were there already."""
        return self._current is not None

    def begin_epoch(self, epoch: int, share: float) -> None:
        """Begin an epoch, or go on with it where `share` of its steps is done."""
        self._epoch, self._from = epoch, share

    def outlook(self, share: float) -> str:
        """Where the stage is, and how long all that is left will take. share: of the epoch's steps, done by now."""
        run = self._current
        if run is None:
            return ""
        left = run.cost * (run.epochs - self._epoch - share)
        left += sum(other.cost * other.epochs for other in self._runs if other.folder in self._ahead)
        measured = self._measured + run.cost * (share - self._from)
        place = f"run {self._runs.index(run) + 1} of {len(self._runs)}, epoch {self._epoch + 1} of {run.epochs}"
        if not left or not measured:
            return place
        seconds = (time.monotonic() - self._start) / measured * left
        return f"{place}, about {duration(seconds)} to the end of all"

    def end_epoch(self) -> None:
        """Count the epoch."""
        if self._current is not None:
            self._measured += self._current.cost * (1 - self._from)
