"""The outcomes of all mutations: a row a transfer syntax, what deserves a look, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fuzz.trial import Trial

OUTCOMES: dict[str, str] = {
    "unchanged": "used, with the values of the sound file",
    "other pixels": "used, with other values, and nothing that shows it",
    "flagged": "used, with a flag that the sound file does not have",
    "refused": "refused with a reason",
    "memory": "refused because the decoder ran into the limit of memory",
    "died": "the process died; in the preparation that costs the one file",
    "hung": "killed when the time was over; in the preparation that costs the one file",
    "uncaught": "an exception that is no refusal: a defect of the reader",
}
NOTEWORTHY = ("memory", "died", "hung", "uncaught")
LISTED = 20  # replay numbers a line

NAMES: dict[str, str] = {
    "1.2.840.10008.1.2": "implicit VR little endian",
    "1.2.840.10008.1.2.1": "explicit VR little endian",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "explicit VR big endian",
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended, 8 and 12 bits",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless, first order",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K lossless, RPCL",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
}


@dataclass
class Count:
    """What came of the mutations of one transfer syntax."""

    outcomes: Counter[str] = field(default_factory=Counter)
    details: Counter[tuple[str, str]] = field(default_factory=Counter)  # outcome and reason code, flag, signal
    noteworthy: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # numbers, to replay them
    peak: float = 0.0  # MB
    seconds: float = 0.0  # the slowest
    slowest: int = -1  # its number

    def add(self, trial: Trial) -> None:
        """Count one mutation."""
        self.outcomes[trial.outcome] += 1
        key = (trial.outcome, trial.detail)
        if trial.detail:
            self.details[key] += 1
        if trial.outcome in NOTEWORTHY:
            self.noteworthy.setdefault(key, []).append(trial.number)
        self.peak = max(self.peak, trial.peak)
        if trial.seconds > self.seconds:
            self.seconds, self.slowest = trial.seconds, trial.number


def counted(trials: Iterable[Trial], syntaxes: Sequence[str]) -> dict[str, Count]:
    """The counts of every syntax, in the order given."""
    counts = {syntax: Count() for syntax in syntaxes}
    for trial in trials:
        counts[trial.syntax].add(trial)
    return counts


def passes(counts: dict[str, Count]) -> bool:
    """The gate: no mutation makes the reader raise anything but a refusal."""
    return not any(count.outcomes["uncaught"] for count in counts.values())


def as_markdown(counts: dict[str, Count], remarks: Sequence[str]) -> str:
    """The table, every noteworthy outcome with its numbers, and the remarks."""
    columns = ("codec", "mutations", "used unchanged", "used, other pixels", "flagged", "refused", "over memory",
               "died", "hung", "uncaught", "peak MB", "slowest s")  # fmt: skip
    rows = [f"| {' | '.join(columns)} |", "| --- |" + " ---: |" * (len(columns) - 1)]
    for syntax, count in counts.items():
        cells = [f"{NAMES[syntax]} ({syntax.removeprefix('1.2.840.10008.1.2') or '.1.2'})", str(count.outcomes.total())]
        cells += [str(count.outcomes[outcome]) for outcome in OUTCOMES]
        rows.append(f"| {' | '.join([*cells, f'{count.peak:.0f}', f'{count.seconds:.2f}'])} |")
    notes = [
        f"- {NAMES[syntax]}: {outcome} ({detail}), {len(numbers)}: --replay {syntax} "
        + ", ".join(map(str, sorted(numbers)[:LISTED])) + (" ..." if len(numbers) > LISTED else "")
        for syntax, count in counts.items()
        for (outcome, detail), numbers in sorted(count.noteworthy.items())
    ]  # fmt: skip
    return "\n".join([*rows, "", *notes, *(f"- {remark}" for remark in remarks)]) + "\n"


def as_json(counts: dict[str, Count]) -> dict[str, Any]:
    """Everything that was counted, by transfer syntax."""
    return {
        syntax: {
            "name": NAMES[syntax],
            "mutations": count.outcomes.total(),
            "outcomes": {outcome: count.outcomes[outcome] for outcome in OUTCOMES},
            "details": {f"{outcome}: {detail}": number for (outcome, detail), number in count.details.items()},
            "replay": {f"{outcome}: {detail}": sorted(found) for (outcome, detail), found in count.noteworthy.items()},
            "peak_mb": round(count.peak, 1),
            "slowest_seconds": round(count.seconds, 3),
            "slowest_number": count.slowest,
        }
        for syntax, count in counts.items()
    }
