"""The submission of RSNA 2022: a CSV with the columns row_id, `<study>_<name>`, and fractured, eight rows per study.

The public sample has but a few rows, and they need not be all eight of a study: what it asks for is answered.
L rows of the submission, N studies, 8 names.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES, PROBABILITY_CLIP, STUDY_LOSS
from hounsfield.competitions.rsna2022.paths import PREPARE
from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.intake.label_cells import read_cells
from hounsfield.core.storage.files import atomic_write

ROW, VALUE = "row_id", "fractured"


class Submission(NamedTuple):
    """What is to be submitted, and how far predictions and sample agree."""

    rows: list[str]  # (L,) row_id
    probabilities: np.ndarray  # (L,)
    filled: list[str]  # studies of the sample without a prediction: they take the best constant
    left_out: list[str]  # predicted studies that the sample does not ask for


def best_constant(labels: np.ndarray, *, over_rows: bool = False) -> np.ndarray:
    """The one prediction for all studies that scores best on these, (8,) float64; 0.5 of a name that is never known.

    labels: (N, 8) of 0 and 1, NaN where unknown. Each name's share of fractures, studies weighted as the loss weighs
    the name in them: twice where it is fractured, over the weights of the study's eight names. over_rows: for the loss
    as the competition's text says it, which is divided by the number of names in place of their weights.
    """
    weights = STUDY_LOSS.weights(labels)
    total = ((weights > 0) if over_rows else weights).sum(axis=1, keepdims=True)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    known = shares.sum(axis=0)
    positive = (shares * np.nan_to_num(labels)).sum(axis=0)
    best = np.divide(positive, known, out=np.full(len(NAMES), 0.5), where=known > 0)
    return np.clip(best, PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)


def rows_of(studies: Sequence[str]) -> list[str]:
    """The eight row_ids of each study, in the order of NAMES."""
    return [f"{study}_{name}" for study in studies for name in NAMES]


def sample_rows(path: Path) -> list[str]:
    """The row_ids that a sample submission asks for, in its order. Raises MissingInput or BadInput."""
    if not path.exists():
        raise MissingInput(f"{path} is missing; make it with: {PREPARE}")
    table = read_cells(path).table
    if ROW not in table.columns:
        raise BadInput(f"{path}: columns {list(table.columns)[:4]}; {ROW} is needed")
    rows = table[ROW]
    if rows.duplicated().any():
        raise BadInput(
            f"{path}: {count_of(int(rows.duplicated().sum()), 'rows are repeated')}; the first is "
            f"{rows[rows.duplicated()].iloc[0]}"
        )
    strange = [row for row in rows if not _parted(row)[1]]
    if strange:
        raise BadInput(
            f"{path}: {count_of(len(strange), 'rows name none of')} {', '.join(NAMES)}; the first is {strange[0][:80]}"
        )
    return rows.tolist()


def fill(rows: Sequence[str], studies: Sequence[str], probabilities: np.ndarray, constant: np.ndarray) -> Submission:
    """The probability of each row; a study without a prediction takes the constant of the name.

    rows: (L,), as `sample_rows` or `rows_of` give them. studies: (N,); probabilities: (N, 8). constant: (8,), of
    `best_constant`. Raises BadInput when no study of the rows is predicted: then it is another data set's sample.
    """
    parts = [_parted(row) for row in rows]
    known = {study: number for number, study in enumerate(studies)}
    asked = dict.fromkeys(study for study, _ in parts)
    filled = [study for study in asked if study not in known]
    if asked and len(filled) == len(asked):
        raise BadInput(f"none of the {len(asked)} studies of the sample ({parts[0][0]}, ...) is predicted: another "
                       "data set's?")  # fmt: skip
    values = [
        probabilities[known[study], NAMES.index(name)] if study in known else constant[NAMES.index(name)]
        for study, name in parts
    ]
    clipped = np.clip(np.array(values, np.float64), PROBABILITY_CLIP, 1 - PROBABILITY_CLIP)
    return Submission(list(rows), clipped, filled, [study for study in studies if study not in asked])


def write(path: Path, submission: Submission) -> None:
    """Write the submission and check what was written; only then does it get its name."""
    with atomic_write(path) as partial:
        with partial.open("w", encoding="utf-8", newline="") as text:
            table = csv.writer(text, lineterminator="\n")
            table.writerow((ROW, VALUE))
            values = (f"{value:.8f}" for value in submission.probabilities)
            table.writerows(zip(submission.rows, values, strict=True))
        check(partial, submission.rows)


def check(path: Path, rows: Sequence[str]) -> None:
    """Hold a written submission against the rows that it should have: the same ones, each once, in that order.

    Raises BadInput naming the first row that is wrong, or without a probability in [1e-6, 1 - 1e-6].
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != [ROW, VALUE]:
        raise BadInput(f"{path}: columns {list(table.columns)[:4]} instead of {ROW}, {VALUE}")
    if len(table) != len(rows):
        raise BadInput(f"{path}: {count_of(len(table), 'rows')} instead of {len(rows)}")
    other = table[ROW].to_numpy() != np.array(rows, object)
    if other.any():
        number = int(other.argmax())
        raise BadInput(f"{path}: row {number + 2} is {table[ROW][number][:80]}, and {rows[number]} is expected")
    values = pd.to_numeric(table[VALUE], errors="coerce").to_numpy(np.float64)
    wrong = ~((values >= PROBABILITY_CLIP) & (values <= 1 - PROBABILITY_CLIP))  # NaN compares as false
    if wrong.any():
        raise BadInput(
            f"{path}: {count_of(int(wrong.sum()), 'rows hold no probability')}; the first is "
            f"{rows[int(wrong.argmax())]}"
        )


def _parted(row: str) -> tuple[str, str]:
    """The study and the name of a row_id; "" for the name where it is none."""
    name = next((name for name in NAMES if row.endswith(f"_{name}")), "")
    return row.removesuffix(f"_{name}") if name else row, name
