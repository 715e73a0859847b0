"""The table of faults: one line each, with what was expected, what was seen, and whether it held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one fault."""

    fault: str
    done: str  # what was done to which program
    expected: str
    seen: str
    held: bool


Fault = Callable[[], Outcome]  # does it, and tells what came of it


class Checks:
    """What one fault must show, collected while it runs; the first thing that fails does not hide the next."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.held = True

    def note(self, fact: str) -> None:
        """Record a fact that is only told."""
        self.seen.append(fact)

    def check(self, holds: bool, fact: str, otherwise: str) -> bool:
        """Record a fact, or what was found instead of it. Returns whether it holds."""
        self.seen.append(fact if holds else f"NOT: {otherwise}")
        self.held = self.held and bool(holds)  # numpy's own would not go into JSON
        return bool(holds)

    def outcome(self, fault: str, done: str, expected: str) -> Outcome:
        """The line of the table."""
        return Outcome(fault=fault, done=done, expected=expected, seen="; ".join(self.seen), held=self.held)


def one_line(outcome: Outcome) -> str:
    """An outcome as it is printed while the stage runs."""
    return f"{'held ' if outcome.held else 'NOT HELD'} | {outcome.fault} | {outcome.done} | {outcome.seen}"


def as_markdown(outcomes: Sequence[Outcome], remarks: Sequence[str]) -> str:
    """The table and the remarks below it."""
    rows = ["| fault | what was done | expected | seen | held |", "| --- | --- | --- | --- | --- |"]
    for outcome in outcomes:
        cells = (outcome.fault, outcome.done, outcome.expected, outcome.seen, "yes" if outcome.held else "no")
        rows.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join([*rows, "", *(f"- {remark}" for remark in remarks)]) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
