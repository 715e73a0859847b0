"""Whether the stores of an archive of embeddings are what their records say, and belong to its table of slices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import SLICES, data_folder
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA
from hounsfield.core.errors import BadInput
from hounsfield.core.stages.ledger import LEDGER_FILE, LEDGER_SCHEMA
from hounsfield.core.stages.outputs import RECORD, read_record, record_digest
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.packed_folder import Listed
from hounsfield.core.storage.tables import read_table
from hounsfield.hemorrhage.config import View
from hounsfield.hemorrhage.paths import LOGITS, ROWS, ROWS_SCHEMA, array_path, embeddings_folder

SAMPLE = "sample_submission.csv"
STORE = re.compile(r"fold(\d{1,3}|all)/epoch(\d{1,4})")
STORE_FILES = (RECORD, LEDGER_FILE, ROWS, *(f"{name}.npy" for name in (*get_args(View), LOGITS)))
STORE_FILE = re.compile(rf"({STORE.pattern})/({'|'.join(map(re.escape, STORE_FILES))})")


@dataclass(frozen=True)
class Subject:
    """Whose embeddings of what."""

    work: Path
    experiment: str
    data_set: str

    @property
    def folder(self) -> Path:
        """The data set."""
        return data_folder(self.work, self.data_set)

    @property
    def config(self) -> Path:
        """The experiment's configuration as it was exported; written by the import, given to stages 14 and 15."""
        return embeddings_folder(self.work, self.data_set, self.experiment) / f"{self.experiment}.yaml"

    def place(self, name: str) -> Path:
        """Where a file of the archive belongs."""
        if name == SAMPLE:
            return sample_submission_path(self.work, self.data_set)
        if name in (SLICES, RECORD):
            return self.folder / name
        return embeddings_folder(self.work, self.data_set, self.experiment) / name


def image_ids(slices: Path) -> np.ndarray:
    """The column image_id of a table of slices, (N,)."""
    return read_table(slices, SLICE_SCHEMA, columns=("image_id",))["image_id"].to_numpy()


def read_foreign_record(folder: Path) -> dict[str, Any]:
    """The record of a finished output that came from elsewhere, with all that is relied on. Raises BadInput."""
    try:
        record = read_record(folder)
    except BadInput:  # which says to make it again: that can be done where it came from alone
        record = None
    if record is None or not all(map(_is_input, record["inputs"].values())):
        raise BadInput(f"{folder / RECORD} is no record of a finished output")
    return record


def _is_input(value: Any) -> bool:
    """True when a record's input is a digest, and where it names a record, one below the work folder."""
    if not isinstance(value, dict) or not isinstance(value.get("sha256"), str):
        return False
    place = value.get("record")
    inside = place is None or (isinstance(place, str) and not place.startswith("/") and ".." not in place.split("/"))
    return inside and isinstance(value.get("settings"), dict)


def check_store(
    subject: Subject,
    store: str,
    folder: Path,
    listed: Mapping[str, Listed],
    images: np.ndarray,
    data_record: Mapping[str, Any],
) -> None:
    """Hold a store against its record, the checksums, the table of slices and the record of the data set.

    folder: where the store lies. images: (N,) image_id of slices.parquet. Raises BadInput naming the file.
    """
    if f"{store}/{RECORD}" not in listed:
        raise BadInput(f"{folder}: {RECORD} is missing")
    record, place = read_foreign_record(folder), folder / RECORD
    fold, epoch = STORE.fullmatch(store).groups()  # type: ignore[union-attr]
    facts, settings = record["facts"], record["settings"]
    found = (settings.get("fold"), settings.get("epoch"), facts.get("rows"))
    if found != (fold, int(epoch), len(images)) or not _is_form(facts):
        raise BadInput(f"{place} does not describe this store (fold, epoch, rows, width, views)")
    made_from = record["inputs"].get("data set", {"sha256": ""})
    expected = (record_digest(data_record), f"data/{subject.data_set}/{RECORD}")
    if (made_from["sha256"], made_from.get("record")) != expected:
        raise BadInput(f"{place}: it was made from another {SLICES}")
    own = {name.removeprefix(f"{store}/"): file.sha256 for name, file in listed.items() if name.startswith(f"{store}/")}
    data = {name: digest for name, digest in own.items() if name != RECORD}
    if data != {name: entry.get("sha256") for name, entry in record["files"].items()}:
        raise BadInput(f"{place}: its files are not those of the store")
    if not {ROWS, LEDGER_FILE, *(f"{view}.npy" for view in facts["views"])} <= data.keys():
        raise BadInput(f"{place}: its files are not all that a store has")
    read_table(folder / LEDGER_FILE, LEDGER_SCHEMA)
    for name in (name for name in data if name.endswith(".npy")):
        _check_array(folder / name, facts, len(images))
    if not np.array_equal(read_table(folder / ROWS, ROWS_SCHEMA)["image_id"].to_numpy(), images):
        raise BadInput(f"{folder / ROWS}: its rows are not those of {SLICES}")


def _is_form(facts: Mapping[str, Any]) -> bool:
    """True when a store's facts name its width and views."""
    views = facts.get("views")
    known = isinstance(views, list) and bool(views) and all(view in get_args(View) for view in views)
    return known and isinstance(facts.get("width"), int)


def _check_array(path: Path, facts: Mapping[str, Any], rows: int) -> None:
    array = open_array(path)
    logits = path == array_path(path.parent, LOGITS)
    classes = len(facts["labels"]["names"]) if "labels" in facts else len(CLASSES)
    shape = (rows, classes if logits else facts["width"])
    dtype = "float32" if logits else facts.get("dtype")
    if array.shape != shape or array.dtype.name != dtype:
        raise BadInput(f"{path}: {array.dtype} {array.shape}, expected {dtype} {shape}")
