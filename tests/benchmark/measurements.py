"""Tables of measurements: one line each, beside its plain reference and what is demanded of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import torch


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measurement. With a reference the ratio to it is held against the demand, without one the measurement."""

    what: str
    measured: float
    unit: str
    reference: float | None = None  # in the same unit
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured over reference; None without one."""
        return None if self.reference is None else self.measured / self.reference

    @property
    def verdict(self) -> str:
        """`holds` or `falls short`; `reported` where nothing is demanded."""
        value = self.measured if self.ratio is None else self.ratio
        if self.at_least is not None:
            return "holds" if value >= self.at_least else "falls short"
        if self.at_most is not None:
            return "holds" if value <= self.at_most else "falls short"
        return "reported"

    @property
    def demanded(self) -> str:
        """The demand as a person reads it."""
        mark = " x" if self.reference is not None else f" {self.unit}"
        if self.at_least is not None:
            return f">= {self.at_least:g}{mark}"
        return f"<= {self.at_most:g}{mark}" if self.at_most is not None else ""


def fastest(works: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds of the fastest run of each work. They take turns, so that what else the computer does meets all alike."""
    seconds = [float("inf")] * len(works)
    for _ in range(repeats):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            seconds[place] = min(seconds[place], time.perf_counter() - start)
    return seconds


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV and torch with one thread each, as in the processes that load batches.

    Two that wait for each other on a busy computer would measure its other work.
    """
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def as_markdown(lines: Sequence[Line], remarks: Sequence[str]) -> str:
    """The table, the lines' notes and the remarks below it."""
    rows = ["| what | measured | plain reference | ratio | demanded | |", "| --- | --- | --- | --- | --- | --- |"]
    for line in lines:
        reference = "" if line.reference is None else f"{line.reference:.4g} {line.unit}"
        ratio = "" if line.ratio is None else f"{line.ratio:.3g} x"
        cells = (line.what, f"{line.measured:.4g} {line.unit}", reference, ratio, line.demanded, line.verdict)
        rows.append(f"| {' | '.join(cells)} |")
    notes = [f"- {line.what}: {line.note}" for line in lines if line.note]
    return "\n".join([*rows, "", *notes, *(f"- {remark}" for remark in remarks)]) + "\n"
