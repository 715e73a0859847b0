"""The table of checks: one line each, with what was held against what, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Check:
    """One measurement, held against what is tolerated of it where anything is."""

    name: str
    compared: str = ""  # what is held against what, or what is measured
    measured: float | None = None  # None: it could not be measured, and the note says why
    unit: str = ""
    tolerance: float | None = None  # at most; None: reported only
    note: str = ""

    @property
    def verdict(self) -> str:
        """`holds` or `falls short`; where nothing is demanded `reported`, or `not run`."""
        if self.tolerance is None:
            return "not run" if self.measured is None else "reported"
        return "holds" if self.measured is not None and self.measured <= self.tolerance else "falls short"


class Part(NamedTuple):
    """Work that gives some lines of the table."""

    group: str  # by which it is asked for
    name: str  # of its line when it is not run
    work: Callable[[], list[Check]]


def one_line(check: Check) -> str:
    """A line as it is printed while the checks run."""
    return " | ".join(_cells(check))


def as_markdown(checks: Sequence[Check], remarks: Sequence[str]) -> str:
    """The table and the remarks below it."""
    rows = [
        "| check | what against what | measured | tolerance | verdict | note |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows += [f"| {' | '.join(_cells(check))} |" for check in checks]
    return "\n".join([*rows, "", *(f"- {remark}" for remark in remarks)]) + "\n"


def _cells(check: Check) -> list[str]:
    measured, tolerance = (
        "" if value is None else f"{value:.3g} {check.unit}".strip() for value in (check.measured, check.tolerance)
    )
    cells = (check.name, check.compared, measured, tolerance, check.verdict, check.note)
    return [" ".join(cell.replace("|", "/").split()) for cell in cells]
