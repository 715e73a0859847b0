"""Tables of predictions: six probabilities per slice.

Written by stages 14, 15 and 43 to 45, read by stages 15 and 44 to 46. Each lies in an output folder of its own, or in
that of a submission.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import BadInput
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


def write_predictions(path: Path, frame: pd.DataFrame) -> None:
    """Write a table of predictions.

    frame: the columns of PREDICTION_SCHEMA, rows in the order of slices.parquet.
    Raises BadInput when a probability is NaN or outside [0, 1], or an image occurs twice.
    """
    _refuse_nonsense(path, frame)
    write_table(path, frame, PREDICTION_SCHEMA)


def read_predictions(path: Path, *, remedy: str) -> pd.DataFrame:
    """Read a table of predictions.

    Raises MissingInput when it is not there, BadInput when it holds something else than probabilities.
    """
    frame = read_table(path, PREDICTION_SCHEMA, remedy=remedy)
    _refuse_nonsense(path, frame)
    return frame


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
