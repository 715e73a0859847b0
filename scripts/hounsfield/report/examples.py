"""Which rows a report shows: the worst false positives and negatives, and those that a later stage helped or hurt most.

N rows, C names.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hounsfield.core.evaluation.run_report import Level, StageAnswers

EACH = 3  # rows of a kind, each of another patient
EACH_OF_MANY = 2  # where there are more than FEW names
FEW = 4


class Example(NamedTuple):
    """One row that is shown."""

    kind: str  # false positive, false negative, helped, hurt
    row: int  # its place among the level's
    column: int  # of the name that it is shown for


def worst_rows(level: Level) -> list[Example]:
    """Of each name the negatives with the highest and the positives with the lowest probability."""
    each = EACH if len(level.names) <= FEW else EACH_OF_MANY
    found = []
    for column in range(len(level.names)):
        labels, probabilities = level.labels[:, column], level.answer.probabilities[:, column]
        for kind, of_kind, badness in (
            ("false positive", labels <= 0.5, probabilities),
            ("false negative", labels > 0.5, 1 - probabilities),
        ):
            found += [Example(kind, row, column) for row in _first(level, of_kind, badness, each)]
    return found


def changed_rows(level: Level) -> list[Example]:
    """Those whose loss the later of the compared stages lowered most, then those whose loss it raised most."""
    if level.compared is None:
        return []
    gain = gains(level)
    found = []
    for kind, better in (("helped", gain), ("hurt", -gain)):
        for row in _first(level, better > 0, better, 2 * EACH):
            found.append(Example(kind, row, _most_changed(level, row, kind)))
    return found


def gains(level: Level) -> np.ndarray:
    """By how much the later stage's loss of each row is lower than the earlier one's, (N,); NaN where none counts.

    The level must have two stages that are compared.
    """
    earlier, later = _compared(level)
    return earlier.losses - later.losses


def _compared(level: Level) -> tuple[StageAnswers, StageAnswers]:
    earlier, later = level.compared or (level.answer.name, level.answer.name)
    return level.stage(earlier), level.stage(later)


def _most_changed(level: Level, row: int, kind: str) -> int:
    """The name whose probability moved most towards its label, or away from it."""
    earlier, later = (stage.probabilities[row] for stage in _compared(level))
    moved = np.where(level.labels[row] > 0.5, later - earlier, earlier - later)
    moved = np.where(np.isnan(level.labels[row]), 0, moved)
    return int(np.argmax(moved if kind == "helped" else -moved))


def _first(level: Level, chosen: np.ndarray, badness: np.ndarray, count: int) -> list[int]:
    """The chosen rows with the greatest badness, at most one of each patient."""
    rows = np.flatnonzero(chosen & ~np.isnan(badness))
    rows = rows[np.argsort(-badness[rows], kind="stable")]
    _, first = np.unique(level.patients[rows].astype(str), return_index=True)
    return [int(row) for row in rows[np.sort(first)][:count]]
