"""The classes of RSNA 2019, and the label table that comes with the competition or with one's own images."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput

# the order of the 2nd-place system; every array of six in this project has it
CLASSES = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any")
CLASS_WEIGHTS = np.array([1, 1, 1, 1, 1, 2], np.float64)  # the competition's metric counts `any` twice
PROBABILITY_CLIP = 1e-5  # 2nd place; the metric would be infinite at 0 and 1


def read_labels(content: bytes, source: str) -> pd.DataFrame:
    """Read a label table: the competition's long one, or a wide one with a column a class.

    Long: columns ID, Label; six rows a slice, ID = <image>_<class>. Rows that repeat another are dropped.
    Wide: a column `image` (file name, its stem, or its path below the images' folder) and the six classes.
    Returns a frame indexed by image, with six int8 columns in the order of CLASSES.
    Raises BadInput naming the source, the fact and the first ten places.
    """
    try:
        table = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", dtype={"ID": str, "image": str})
    except (ValueError, pd.errors.ParserError) as error:
        raise BadInput(f"{source} is not a readable CSV table: {error}") from error
    if {"ID", "Label"} <= set(table.columns):
        return _from_long(table, source)
    if {"image", *CLASSES} <= set(table.columns):
        return _from_wide(table, source)
    raise BadInput(
        f"{source}: columns {list(table.columns)[:8]} are neither ID, Label nor image and {', '.join(CLASSES)}"
    )


def _from_long(table: pd.DataFrame, source: str) -> pd.DataFrame:
    _refuse(source, "labels that are not 0 or 1", table["ID"][~table["Label"].isin([0, 1])])
    parts = table["ID"].str.rsplit("_", n=1, expand=True)
    if parts.shape[1] != 2:
        raise BadInput(f"{source}: its IDs do not have the form <image>_<class>")
    _refuse(source, "unknown classes", table["ID"][~parts[1].isin(CLASSES)])
    rows = pd.DataFrame({"image": parts[0], "class": parts[1], "label": table["Label"].astype(np.int8)})
    rows = rows.drop_duplicates()
    twice = rows.duplicated(["image", "class"], keep=False)
    _refuse(source, "IDs with contradicting labels", (rows["image"] + "_" + rows["class"])[twice].drop_duplicates())
    wide = rows.set_index(["image", "class"])["label"].unstack("class").reindex(columns=list(CLASSES))
    _refuse(source, "images without all six classes", wide.index[wide.isna().any(axis=1)])
    return wide.astype(np.int8).rename_axis(columns=None)


def _from_wide(table: pd.DataFrame, source: str) -> pd.DataFrame:
    wide = table.set_index("image")[list(CLASSES)]
    _refuse(source, "labels that are not 0 or 1", wide.index[~wide.isin([0, 1]).all(axis=1)])
    wide = wide[~wide.reset_index().duplicated().to_numpy()]
    _refuse(source, "images with contradicting labels", wide.index[wide.index.duplicated()])
    return wide.astype(np.int8)


def _refuse(source: str, fact: str, places: Sequence[str] | pd.Series | pd.Index) -> None:
    if len(places):
        listing = ", ".join(str(place)[:60] for place in places[:10])
        raise BadInput(f"{source}: {len(places)} {fact}; the first are: {listing}. Correct the table and start again")
