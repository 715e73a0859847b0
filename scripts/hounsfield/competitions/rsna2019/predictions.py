"""Tables of predictions: six probabilities a slice, with a manifest that says which model and inputs made them.

Written by stages 14 and 43 to 45, read by stages 15 and 44 to 46. A table is finished when its manifest,
`<name>.json`, lies beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.files import file_digest, json_values, read_json, write_json
from hounsfield.core.storage.tables import read_table, write_table

OUT_OF_FOLD = "out-of-fold"  # a training slice whose patient no model behind its prediction has learnt from
TEST = "test"

PREDICTION_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("split", pa.string()),  # OUT_OF_FOLD or TEST
        *((name, pa.float64()) for name in CLASSES),  # probabilities
    ]
)


def manifest_path(path: Path) -> Path:
    """The manifest beside a table of predictions; written last."""
    return path.with_suffix(".json")


def write_predictions(path: Path, frame: pd.DataFrame, manifest: dict[str, Any]) -> None:
    """Write a table of predictions and then its manifest, to which the table's digest is added as `sha256`.

    frame: the columns of PREDICTION_SCHEMA, rows in the order of slices.parquet.
    Raises BadInput when a probability is NaN or outside [0, 1], or an image occurs twice.
    """
    _refuse_nonsense(path, frame)
    manifest_path(path).unlink(missing_ok=True)  # killed between the two files: an unfinished table, not a wrong one
    write_table(path, frame, PREDICTION_SCHEMA)
    write_json(manifest_path(path), {**manifest, "sha256": file_digest(path)})


def is_finished(path: Path, manifest: dict[str, Any]) -> bool:
    """True when the table at `path` is there, whole, and rests on what `manifest` says."""
    beside = manifest_path(path)
    if not beside.exists() or not path.exists():
        return False
    written: bool = read_json(beside) == {**json_values(manifest), "sha256": file_digest(path)}
    return written


def read_manifest(path: Path, *, remedy: str) -> dict[str, Any]:
    """The manifest of the table at `path`. Raises MissingInput, with the remedy, when it was never finished."""
    beside = manifest_path(path)
    if not beside.exists():
        fact = "was not finished (its manifest is missing)" if path.exists() else "is missing"
        raise MissingInput(f"{path} {fact}; make it with: {remedy}")
    manifest = read_json(beside)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), str):
        raise BadInput(f"{beside} is no manifest of predictions; make it again with: {remedy}")
    return manifest


def read_predictions(path: Path, *, remedy: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a table of predictions and its manifest.

    Raises MissingInput when one of them is not there, BadInput when the table is not the one that the manifest
    describes or holds something else than probabilities.
    """
    manifest = read_manifest(path, remedy=remedy)
    frame = read_table(path, PREDICTION_SCHEMA, remedy=remedy)
    if file_digest(path) != manifest["sha256"]:
        raise BadInput(f"{path} is not the file that its manifest describes; make it again with: {remedy} --force")
    _refuse_nonsense(path, frame)
    return frame, manifest


def _refuse_nonsense(path: Path, frame: pd.DataFrame) -> None:
    probabilities = frame[list(CLASSES)].to_numpy(np.float64)
    bad = ~((probabilities >= 0) & (probabilities <= 1)).all(axis=1)  # NaN compares as false
    if bad.any():
        first = frame["image_id"].iloc[int(bad.argmax())]
        raise BadInput(f"{path}: {bad.sum()} slices have no six probabilities in [0, 1]; the first is {first}")
    if frame["image_id"].duplicated().any():
        raise BadInput(f"{path}: {frame['image_id'].duplicated().sum()} images occur twice")
    strange = set(frame["split"].unique()) - {OUT_OF_FOLD, TEST}
    if strange:
        raise BadInput(f"{path}: unknown splits {sorted(strange)[:3]}; they are {OUT_OF_FOLD} and {TEST}")
