"""Tables of predictions: a probability for each name of a row. Each lies in an output folder.

N rows of the data set, n of a table; C names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.storage.tables import read_table, write_table

OUT_OF_FOLD = "out-of-fold"  # a training row whose patient no model behind its prediction has learnt from
TEST = "test"
SHOWN = 10  # identifiers in a message


class Rows(NamedTuple):
    """The rows of a data set's table, which tables of predictions hold a part of."""

    ids: np.ndarray  # (N,) identifiers
    is_test: np.ndarray  # (N,) bool, of those to be predicted for the submission


def prediction_schema(label_set: LabelSet) -> pa.Schema:
    """The columns of a table: the row's identifier, its split (OUT_OF_FOLD or TEST), a probability for each name."""
    probabilities = ((name, pa.float64()) for name in label_set.names)
    return pa.schema([(label_set.row, pa.string()), ("split", pa.string()), *probabilities])


def prediction_table(
    label_set: LabelSet, ids: np.ndarray, split: np.ndarray, probabilities: np.ndarray
) -> pd.DataFrame:
    """A table of predictions. ids: (n,) of the rows; split: (n,), OUT_OF_FOLD or TEST; probabilities: (n, C)."""
    frame = pd.DataFrame(probabilities, columns=list(label_set.names))
    frame.insert(0, label_set.row, ids)
    frame.insert(1, "split", split)
    return frame


def write_predictions(path: Path, label_set: LabelSet, frame: pd.DataFrame) -> None:
    """Write a table of predictions.

    frame: the columns of `prediction_schema`, rows in the order of the data set's table.
    Raises BadInput when a probability is NaN or outside [0, 1], or a row occurs twice.
    """
    _refuse_nonsense(path, label_set, frame)
    write_table(path, frame, prediction_schema(label_set))


def read_predictions(path: Path, label_set: LabelSet, *, remedy: str) -> pd.DataFrame:
    """Read a table of predictions.

    Raises MissingInput when it is not there, BadInput when it holds something else than probabilities.
    """
    frame = read_table(path, prediction_schema(label_set), remedy=remedy)
    _refuse_nonsense(path, label_set, frame)
    return frame


def mean_of_tables(
    label_set: LabelSet, tables: Iterable[tuple[Path, np.ndarray]], rows: Rows, *, remedy: str
) -> np.ndarray:
    """The mean of some tables, of each row over those that hold it: (N, C) float64, NaN where none does.

    tables: the path of each, and the positions of the rows that it should hold, (n,) ascending; they are read one after
    another. Raises BadInput naming the file when it holds other rows than these, or not in their order.
    """
    total, count = np.zeros((len(rows.ids), len(label_set.names))), np.zeros((len(rows.ids), 1))
    for path, positions in tables:
        frame = read_predictions(path, label_set, remedy=remedy)
        _refuse_other_rows(path, label_set, frame, positions, rows, remedy)
        total[positions] += frame[list(label_set.names)].to_numpy(np.float64)
        count[positions] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _refuse_other_rows(
    path: Path, label_set: LabelSet, frame: pd.DataFrame, positions: np.ndarray, rows: Rows, remedy: str
) -> None:
    found, expected = frame[label_set.row].to_numpy(), rows.ids[positions]
    if np.array_equal(found, expected):
        if np.array_equal((frame["split"] == TEST).to_numpy(), rows.is_test[positions]):
            return
        raise BadInput(f"{path}: its test rows are not those of the data set; make it with: {remedy} --force")
    missing, beyond = expected[~np.isin(expected, found)], found[~np.isin(found, expected)]
    facts = []
    if len(missing):
        facts.append(f"{count_of(len(missing), 'rows are missing here')} ({_first(missing)})")
    if len(beyond):
        unknown = int((~np.isin(beyond, rows.ids)).sum())
        facts.append(
            f"{count_of(len(beyond), 'rows')} should not be here ({_first(beyond)}); {unknown} are not in the data set"
        )
    facts = facts or ["its rows are not in the order of the data set"]
    raise BadInput(f"{path}: {'; '.join(facts)}. Make it with: {remedy} --force")


def _first(ids: np.ndarray) -> str:
    return ", ".join(map(str, ids[:SHOWN])) + (", ..." if len(ids) > SHOWN else "")


def _refuse_nonsense(path: Path, label_set: LabelSet, frame: pd.DataFrame) -> None:
    probabilities, ids = frame[list(label_set.names)].to_numpy(np.float64), frame[label_set.row]
    bad = ~((probabilities >= 0) & (probabilities <= 1)).all(axis=1)  # NaN compares as false
    if bad.any():
        first, count = ids.iloc[int(bad.argmax())], len(label_set.names)
        raise BadInput(
            f"{path}: {count_of(int(bad.sum()), 'rows do not hold')} {count} probabilities in [0, 1]; the first is "
            f"{first}"
        )
    if ids.duplicated().any():
        raise BadInput(f"{path}: {ids.duplicated().sum()} values of {label_set.row} occur twice")
    strange = set(frame["split"].unique()) - {OUT_OF_FOLD, TEST}
    if strange:
        raise BadInput(f"{path}: unknown splits {sorted(strange)[:3]}; they are {OUT_OF_FOLD} and {TEST}")
