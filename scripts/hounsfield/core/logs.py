"""What a person sees of a run: log lines on stderr, a summary line a stage, progress bars, TensorBoard scalars."""

from __future__ import annotations

import logging
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput
from hounsfield.core.foreign_text import visible

SECONDS_TO_FIRST_LINE = 10  # of a log, on what is left to do
SECONDS_BETWEEN_LINES = 60
BYTES_WORTH_A_LINE = 100 * 10**6
SHARE_WORTH_A_LINE = 0.01  # of the disk that is free
logger = logging.getLogger("hounsfield")
T = TypeVar("T")


def set_up_logging(*, rank: int = 0) -> None:
    """Send log lines to stderr; processes other than the first only speak of warnings."""
    handler = logging.StreamHandler(sys.stderr)
    mark = "" if rank == 0 else f" [process {rank}]"
    handler.setFormatter(_Lines(f"%(asctime)s{mark} %(message)s", datefmt="%H:%M:%S"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if rank == 0 else logging.WARNING)


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return as_typed_here(super().format(record))


def as_typed_here(text: str) -> str:
    """A text whose paths below the current folder stand as a person here would type them, and can paste them.

    Names of files may hold controls that rewrite a terminal's line: these stand as escapes.
    """
    text = visible(text)
    try:
        here = f"{Path.cwd()}/"
    except FileNotFoundError:  # it was removed
        return text
    return text if here == "//" else re.sub(rf"(?<![^\s'\"=:,;(]){re.escape(here)}", "", text)


def show(text: str) -> None:
    """Print what a stage answers."""
    print(as_typed_here(text))


def progress(
    items: Iterable[T],
    *,
    total: int | None = None,
    unit: str = "",
    label: str = "",
    outlook: Callable[[int], str] | None = None,
) -> Iterable[T]:
    """Show a progress bar when stderr is a terminal; in a log, a line from time to time with what is left.

    What takes less than ten seconds is not worth a line; the first one rests on what was done in them.
    outlook: says of the number of items that are done how far all of the stage is, where these are but a part of it.
    """
    if sys.stderr.isatty():
        return _bar(items, total, unit, label, outlook)
    count = len(items) if total is None and isinstance(items, Sized) else total
    return _logged(items, count, unit, label, outlook)


def _bar(
    items: Iterable[T], total: int | None, unit: str, label: str, outlook: Callable[[int], str] | None
) -> Iterator[T]:
    with tqdm(items, total=total, unit=unit, desc=label, leave=False) as bar:
        for done, item in enumerate(bar):
            if outlook is not None and done:
                bar.set_postfix_str(outlook(done), refresh=False)
            yield item


def _logged(
    items: Iterable[T], total: int | None, unit: str, label: str, outlook: Callable[[int], str] | None
) -> Iterator[T]:
    began = time.monotonic()
    due = began + SECONDS_TO_FIRST_LINE
    for done, item in enumerate(items):
        now = time.monotonic()
        if now >= due and done:
            due = now + SECONDS_BETWEEN_LINES
            left = "" if total is None else f", about {duration((now - began) / done * (total - done))} left"
            of = "" if total is None else f" of {total}"
            all_left = "" if outlook is None else f"; {outlook(done)}"
            units = f"{unit[:-1]}ies" if unit.endswith("y") else unit if unit.endswith("s") else f"{unit}s"
            logger.info("%s: %d%s %s in %s%s%s", label, done, of, units, duration(now - began), left, all_left)
        yield item


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def need_space(label: str, needed: int, folder: Path, *, what: str) -> None:
    """Say what disk a stage will take and what is free, unless it is next to nothing.

    needed: bytes. what: that they are for, such as `1045 images`. Raises BadInput when it does not fit.
    """
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    if needed > min(BYTES_WORTH_A_LINE, SHARE_WORTH_A_LINE * free):
        sizes = f"about {disk_size(needed)} of disk; {disk_size(free)} are free"
        logger.info("%s: %s, %s in %s", label, what, sizes, folder)
    if needed > free:
        raise BadInput(
            f"{folder}: {what} need about {disk_size(needed)}, and {disk_size(free)} are free; make room, or use a "
            "work folder on another disk (--work)"
        )


def disk_size(count: int) -> str:
    """Bytes as a person reads them: in GB, and below a tenth of one in MB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"


class Stopwatch:
    """Seconds since it was made, for summary lines."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Elapsed wall-clock seconds."""
        return time.perf_counter() - self._start


def summary(
    stage: str, count: int, unit: str, seconds: float, notes: Mapping[str, Any] | None = None, outlook: str = ""
) -> None:
    """Print the one line that closes a stage, or a part of it: counts, seconds and rate. outlook: on what is left."""
    rate = f", {count / seconds:.1f} {unit} a second" if count and seconds > 0 else ""
    extra = "".join(f", {count_of(value, name)}" for name, value in (notes or {}).items())
    told = count_of(count, unit)
    logger.info("%s: %s%s in %.1f s%s%s", stage, told, extra, seconds, rate, outlook and f"; {outlook}")


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
