"""Which prepared files the rows of a label table are of: by path or name, or by what their headers say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.core.errors import BadInput
from hounsfield.core.intake.label_tables import SHOWN, Key, LabelTable
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.storage.tables import escape_cell

COLUMNS: dict[Key, str] = {"file": "path", "instance": "sop_number", "series": "series_uid", "study": "study_uid"}
ABSOLUTE = re.compile(r"(?:[A-Za-z]:)?/")


class Matched(NamedTuple):
    """N files, C names."""

    labels: pd.DataFrame  # (N, C) float64, NaN where unknown or where no row is of the file
    has_row: np.ndarray  # (N,) bool
    unmatched: pd.DataFrame  # line and name of the rows that no file fits; identifiers as pseudonyms


def match_labels(table: LabelTable, rows: pa.Table, naming: Naming) -> Matched:
    """The labels of every prepared file.

    rows: N files with path, sop_number, series_uid and study_uid. Raises BadInput where no row fits any file, where a
    name fits several files, or where rows that name one file in different ways contradict each other.
    """
    of_file = places(table.key, table.keys, rows[COLUMNS[table.key]], naming, table.source)
    row, file = np.repeat(np.arange(len(of_file)), [len(one) for one in of_file]), np.concatenate(of_file)
    found = table.values.iloc[row].assign(file=file)
    different = ~found.duplicated().to_numpy()
    twice = found[different].duplicated("file", keep=False).to_numpy()
    if twice.any():
        lines = sorted(set(table.lines[row[different][twice]].tolist()))
        raise BadInput(f"{table.source}: rows name the same files in different ways and contradict each other; the "
                       f"first are in lines {', '.join(map(str, lines[:SHOWN]))}. Correct the table")  # fmt: skip
    labels = found[different].set_index("file").reindex(np.arange(len(rows)))
    has_row = np.isin(np.arange(len(rows)), file)
    lost = np.array([not len(one) for one in of_file])
    names = [
        escape_cell(name) if table.key == "file" else naming.pseudonym(name) for name in map(str, table.keys[lost])
    ]
    return Matched(labels, has_row, pd.DataFrame({"line": table.lines[lost], "name": names}))


def places(key: Key, keys: np.ndarray, values: pa.Array, naming: Naming, source: str) -> list[np.ndarray]:
    """For each key the numbers of its files, none where nothing fits; as `match_labels`.

    values: the column COLUMNS[key] of the files, (N,).
    """
    found = _by_name(keys, values.to_pylist(), source) if key == "file" else _by_identifier(key, keys, values, naming)
    if not any(map(len, found)):
        raise BadInput(f"{source}: none of its {len(keys)} rows fits one of the {len(values)} usable files; they name "
                       f"the {key}, is that the right column?")  # fmt: skip
    return found


def _by_identifier(key: Key, keys: np.ndarray, values: pa.Array, naming: Naming) -> list[np.ndarray]:
    name: Callable[[str], int | str] = naming.number if key == "instance" else naming.pseudonym
    known = values.to_numpy(zero_copy_only=False)
    files = pd.Series(np.arange(len(known))).groupby(known).indices
    return [np.asarray(files.get(one, []), np.int64) for one in map(name, map(str, keys))]


def _by_name(keys: np.ndarray, paths: list[str], source: str) -> list[np.ndarray]:
    """By path below the folder, file name, or that without its ending; an absolute path by what is below the folder."""
    known: dict[str, int | None] = {}
    for number, path in enumerate(paths):
        for name in {path, PurePosixPath(path).name, PurePosixPath(path).stem}:
            known[name] = None if name in known else number  # None: the name fits several files
    whole = {path: number for number, path in enumerate(paths)}
    found, ambiguous = [], []
    for key in map(str, keys):
        path = key.replace("\\", "/").removeprefix("./")
        place: int | None = whole.get(path, known.get(path, -1))
        if place == -1 and ABSOLUTE.match(path):
            parts = PurePosixPath(path).parts
            place = next((p for n in range(1, len(parts)) if (p := whole.get("/".join(parts[n:]))) is not None), -1)
        if place is None:
            ambiguous.append(key)
        found.append(np.array([place] if place not in (None, -1) else [], np.int64))
    if ambiguous:
        raise BadInput(f"{source}: {len(ambiguous)} names fit several files, the first are {ambiguous[:SHOWN]}; give "
                       "paths below the folder")  # fmt: skip
    return found
