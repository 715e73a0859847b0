"""Which prepared files the rows of a label table are of: by path or name, or by what their headers say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.core.counts import count_of
from hounsfield.core.errors import WrongTable
from hounsfield.core.intake.label_tables import SHOWN, Key, LabelTable
from hounsfield.core.intake.listings import composed
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.logs import logger
from hounsfield.core.storage.tables import escape_cell

IDENTIFIERS: dict[Key, str] = {
    "instance": "SOPInstanceUID",
    "series": "SeriesInstanceUID",
    "study": "StudyInstanceUID",
}
COLUMNS: dict[Key, str] = {"file": "path", "instance": "sop_number", "series": "series_uid", "study": "study_uid"}
LONGEST = 60  # signs of a name in a message
UID = re.compile(r"[0-2](?:\.[0-9]+)+")
ZIP = re.compile(r"\.zip/", re.IGNORECASE)  # a table names its files as they lie when it is unpacked
ABSOLUTE = re.compile(r"(?:[A-Za-z]:)?/")


class Matched(NamedTuple):
    """N files, C names."""

    labels: pd.DataFrame  # (N, C) float64, NaN where unknown or where no row is of the file
    has_row: np.ndarray  # (N,) bool
    unmatched: pd.DataFrame  # line and name of the rows that no file fits; identifiers as pseudonyms


def match_labels(table: LabelTable, rows: pa.Table, naming: Naming) -> Matched:
    """The labels of every prepared file.

    rows: N files with path, sop_number, series_uid and study_uid. Raises WrongTable where no row fits any file, where a
    name fits several files, or where rows that name one file in different ways contradict each other.
    """
    key, of_file = places(table.key, table.keys, rows, naming, table.source)
    row, file = np.repeat(np.arange(len(of_file)), [len(one) for one in of_file]), np.concatenate(of_file)
    found = table.values.iloc[row].assign(file=file)
    different = ~found.duplicated().to_numpy()
    twice = found[different].duplicated("file", keep=False).to_numpy()
    if twice.any():
        lines = sorted(set(table.lines[row[different][twice]].tolist()))
        raise WrongTable(f"{table.source}: rows name the same files in different ways and contradict each other; the "
                       f"first are in lines {', '.join(map(str, lines[:SHOWN]))}. Correct the table")  # fmt: skip
    labels = found[different].set_index("file").reindex(np.arange(len(rows)))
    has_row = np.isin(np.arange(len(rows)), file)
    lost = np.array([not len(one) for one in of_file])
    names = [escape_cell(name) if key == "file" else naming.pseudonym(name) for name in map(str, table.keys[lost])]
    return Matched(labels, has_row, pd.DataFrame({"line": table.lines[lost], "name": names}))


def places(key: Key, keys: np.ndarray, rows: pa.Table, naming: Naming, source: str) -> tuple[Key, list[np.ndarray]]:
    """For each key the numbers of its files, none where nothing fits; as `match_labels`. And what the keys are of.

    Where names of files fit nothing, but fit as SOPInstanceUIDs, they are these.
    """
    found = _places(key, keys, rows, naming, source)
    if any(map(len, found)):
        return key, found
    fitting = [other for other in IDENTIFIERS if any(map(len, _by_identifier(other, keys, rows, naming)))]
    if key == "file" and fitting[:1] == ["instance"]:
        logger.info("%s: the names of its files are SOPInstanceUIDs, and are taken as such", source)
        return "instance", _by_identifier("instance", keys, rows, naming)
    raise WrongTable(f"{source}: {nothing_fits(key, len(keys), f'{len(rows)} usable files', fitting)}")


def check_names(keys: np.ndarray, paths: pa.Array, source: str) -> None:
    """Raise WrongTable where names fit none of the files, before these are read; of UIDs only headers tell."""
    if not any(map(len, _by_name(keys, paths.to_pylist(), source))) and not all(map(UID.fullmatch, keys)):
        fact = f"none of its {len(keys)} rows fits one of the {len(paths)} files"
        example = f"the first row names {keys[0][:LONGEST]!a}, the first file is {paths[0].as_py()!a}"
        raise WrongTable(f"{source}: {fact}; {example}: is that the right column, and the right folder?")


def nothing_fits(key: Key, rows: int, files: str, fitting: Sequence[Key]) -> str:
    """What is wrong with a table of which no row fits. fitting: what its rows would fit as."""
    known = fitting[0] if fitting else None
    hint = f"are {IDENTIFIERS[known]}s: call the column so" if known else "do not; is that the right column?"
    return f"none of its {rows} rows fits one of the {files}; they should name the {key}, and {hint}"


def _places(key: Key, keys: np.ndarray, rows: pa.Table, naming: Naming, source: str) -> list[np.ndarray]:
    if key == "file":
        return _by_name(keys, rows[COLUMNS[key]].to_pylist(), source)
    return _by_identifier(key, keys, rows, naming)


def _by_identifier(key: Key, keys: np.ndarray, rows: pa.Table, naming: Naming) -> list[np.ndarray]:
    name: Callable[[str], int | str] = naming.number if key == "instance" else naming.pseudonym
    known = rows[COLUMNS[key]].to_numpy(zero_copy_only=False)
    files = pd.Series(np.arange(len(known))).groupby(known).indices
    return [np.asarray(files.get(one, []), np.int64) for one in map(name, map(str, keys))]


def _by_name(keys: np.ndarray, paths: list[str], source: str) -> list[np.ndarray]:
    """The file of each name. Raises WrongTable where a name fits several."""
    places, ambiguous = by_name(keys, paths)
    if ambiguous:
        raise WrongTable(f"{source}: {count_of(len(ambiguous), 'names fit several files')}; the first: "
                       f"{ambiguous[:SHOWN]}; give paths below the folder")  # fmt: skip
    return [np.array([place] if place >= 0 else [], np.int64) for place in places]


def by_name(keys: Iterable[str], paths: Iterable[str]) -> tuple[list[int], list[str]]:
    """The number of each name's file, -1 where none or several fit; and the names that several fit.

    A file is named by its path below the folder, the end of it, or the stem; by an absolute path, too.
    """
    known: dict[str, int | None] = {}
    paths = list(map(composed, paths))
    for number, path in enumerate(paths):
        for name in {*_ends(path), *_ends(ZIP.sub("/", path)), PurePosixPath(path).stem}:
            known[name] = None if name in known else number  # None: the name fits several files
    whole = {path: number for number, path in enumerate(paths)}
    found, ambiguous = [], []
    for key in map(str, keys):
        path = composed(key).replace("\\", "/").removeprefix("./")
        place: int | None = whole.get(path, known.get(path, -1))
        if place == -1 and ABSOLUTE.match(path):
            parts = PurePosixPath(path).parts
            place = next((p for n in range(1, len(parts)) if (p := whole.get("/".join(parts[n:]))) is not None), -1)
        if place is None:
            ambiguous.append(key)
        found.append(-1 if place is None else place)
    return found, ambiguous


def _ends(path: str) -> Iterator[str]:
    """A path, and what is left of it without the first folders, as a table has it whose folder lies further down."""
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        yield path
