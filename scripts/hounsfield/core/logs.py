"""What a person sees of a run: log lines on stderr, a summary line a stage, progress bars, TensorBoard scalars."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

logger = logging.getLogger("hounsfield")
T = TypeVar("T")


def set_up_logging(*, rank: int = 0) -> None:
    """Send log lines to stderr; processes other than the first only speak of warnings."""
    handler = logging.StreamHandler(sys.stderr)
    mark = "" if rank == 0 else f" [process {rank}]"
    handler.setFormatter(logging.Formatter(f"%(asctime)s{mark} %(message)s", datefmt="%H:%M:%S"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if rank == 0 else logging.WARNING)


def progress(items: Iterable[T], *, total: int | None = None, unit: str = "", label: str = "") -> Iterable[T]:
    """Show a progress bar when stderr is a terminal; otherwise say nothing."""
    return tqdm(items, total=total, unit=unit, desc=label, disable=not sys.stderr.isatty(), leave=False)


class Stopwatch:
    """Seconds since it was made, for summary lines."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Elapsed wall-clock seconds."""
        return time.perf_counter() - self._start


def summary(stage: str, count: int, unit: str, seconds: float, notes: Mapping[str, Any] | None = None) -> None:
    """Print the one line that closes a stage: counts, seconds and rate."""
    rate = f", {count / seconds:.1f} {unit} a second" if count and seconds > 0 else ""
    extra = "".join(f", {value} {name}" for name, value in (notes or {}).items())
    logger.info("%s: %d %s%s in %.1f s%s", stage, count, unit, extra, seconds, rate)


class Scalars:
    """TensorBoard scalars of one run; only the first process writes them."""

    def __init__(self, folder: Path, *, enabled: bool) -> None:
        self._writer = None
        if enabled:
            from torch.utils.tensorboard import SummaryWriter  # takes seconds to import: only where it is used

            self._writer = SummaryWriter(str(folder))

    def add(self, name: str, value: float, step: int) -> None:
        """Record one value at one step."""
        if self._writer is not None:
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush what is not yet on disk."""
        if self._writer is not None:
            self._writer.close()
