"""The four tables that came with the embeddings published in 2019, as a table of slices.

train_metadata.csv, test_metadata.csv: one header a row. train.csv.gz: Image, six classes, PatientID, fold.
test.csv.gz: Image. What they do not say of a slice (pixels, HU statistics, crop box) is null.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.config import PrepareConfig
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.tables import FILE_SCHEMA, POSITION, add_labels_and_folds, order_slices
from hounsfield.core.dicom.stacks import ORIENTATION
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.logs import logger
from hounsfield.core.storage.tables import read_table

MAX_TABLE_BYTES = 2 * 2**30  # the published metadata are some 300 MB
IDENTIFIERS = {
    "SOPInstanceUID": "image_id",
    "PatientID": "patient_id",
    "StudyInstanceUID": "study_uid",
    "SeriesInstanceUID": "series_uid",
}
PLACE = {"ImagePositionPatient": POSITION, "ImageOrientationPatient": ORIENTATION}
ROW_ORDER_SCHEMA = pa.schema([("Image", pa.string())])


class PublishedTables(NamedTuple):
    """Where the four tables lie, in the order of TABLE_NAMES."""

    train_metadata: Path
    test_metadata: Path
    train: Path
    test: Path


def published_slices(tables: PublishedTables, config: PrepareConfig) -> pd.DataFrame:
    """The table of slices (SLICE_SCHEMA), sorted and numbered as preparation does it, with the published folds.

    Raises MissingInput or BadInput naming the table, the fact and the first ten places.
    """
    train, test = _read_train(tables.train, config.fold_count), _read_csv(tables.test, ["Image"])
    headers = pd.concat([read_headers(tables.train_metadata), read_headers(tables.test_metadata)], ignore_index=True)
    wanted = pd.concat([train["Image"], test["Image"]], ignore_index=True)
    if wanted.empty:
        raise BadInput(f"{tables.train} and {tables.test} list no image")
    refuse(f"{tables.train} and {tables.test}", "images that are listed twice", wanted[wanted.duplicated()])
    described = headers["image_id"]
    refuse(f"{tables.train_metadata} and {tables.test_metadata}", "slices twice", described[described.duplicated()])
    refuse(str(tables.train_metadata), "images of the other tables missing", wanted[~wanted.isin(described)])
    headers = headers[described.isin(wanted)]
    if len(headers) < len(described):
        logger.info("left out %d slices that have a header and stand in no table", len(described) - len(headers))
    slices = order_slices(headers, config.order)
    slices = add_labels_and_folds(slices, train.set_index("Image")[list(CLASSES)].rename_axis(None), config.fold_count)
    slices["fold"] = slices["image_id"].map(train.set_index("Image")["fold"]).astype("float64")
    folds = slices[slices["split"] == "train"].groupby("patient_id")["fold"].nunique()
    refuse(str(tables.train), "patients in two folds", folds.index[folds > 1])
    return slices


def read_headers(path: Path) -> pd.DataFrame:
    """One metadata table as the columns of FILE_SCHEMA; what it does not hold is null."""
    table = _read_csv(path, [*IDENTIFIERS, *PLACE])
    for column in IDENTIFIERS:
        refuse(str(path), f"rows without {column}", table.index[table[column].isna()])
    empty: dict[str, Any] = {
        name: (None if pa.types.is_string(kind) or pa.types.is_boolean(kind) else np.nan)
        for name, kind in zip(FILE_SCHEMA.names, FILE_SCHEMA.types, strict=True)
    }
    files = pd.DataFrame(empty, index=table.index).assign(flags="")
    for column, name in IDENTIFIERS.items():
        files[name] = table[column]
    for column, names in PLACE.items():
        files[list(names)] = numbers(table[column], len(names), f"{path}: {column}")
    return files


def numbers(texts: pd.Series, count: int, source: str) -> np.ndarray:
    """Parse lists written as text, such as "['-125', '-115.9', '36']": (N, count) float64; NaN where there is no text.

    Raises BadInput listing the first ten that are no such list.
    """
    parts = texts.str.replace(r"[\[\]()'\"\s]", "", regex=True).str.split(",", expand=True)
    values = np.full((len(texts), count), np.nan)
    bad = texts.notna() & (parts.notna().sum(axis=1) != count)
    for place in range(min(count, parts.shape[1])):
        values[:, place] = pd.to_numeric(parts[place], errors="coerce")
    bad |= texts.notna() & ~np.isfinite(values).all(axis=1)
    refuse(source, f"values that are not {count} numbers", texts[bad])
    return values


def read_row_order(path: Path) -> list[str]:
    """The column Image of a CSV or Parquet table: which image each row of an array belongs to."""
    if path.suffix == ".parquet":
        return read_table(path, ROW_ORDER_SCHEMA)["Image"].tolist()
    return _read_csv(path, ["Image"])["Image"].tolist()


def refuse(source: str, fact: str, places: Sequence[Any] | pd.Series | pd.Index) -> None:
    """Raise BadInput when there are `places` where the fact holds."""
    if len(places):
        listing = ", ".join(str(place)[:60] for place in list(places)[:10])
        raise BadInput(f"{source}: {len(places)} {fact}; the first are: {listing}")


def _read_train(path: Path, fold_count: int) -> pd.DataFrame:
    table = _read_csv(path, ["Image", *CLASSES, "fold"])
    values = table[[*CLASSES, "fold"]].apply(pd.to_numeric, errors="coerce")
    refuse(str(path), "labels that are not 0 or 1", table["Image"][~values[list(CLASSES)].isin([0, 1]).all(axis=1)])
    strange = ~values["fold"].isin(range(fold_count))
    refuse(str(path), f"folds that are not 0 to {fold_count - 1}", table["Image"][strange])
    return pd.concat([table[["Image"]], values], axis=1)


def _read_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """These columns of a CSV table (plain or gzip) as text; more bytes than any honest table has are not read."""
    if not path.is_file():
        raise MissingInput(f"{path} is missing; it comes with the published embeddings, or name it with its option")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_TABLE_BYTES + 1)
        if len(content) > MAX_TABLE_BYTES:
            raise BadInput(f"{path} holds more than {MAX_TABLE_BYTES} bytes; it is no table of slices")
        table = pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", dtype=str, usecols=columns)
    except (ValueError, EOFError, OSError, zlib.error, pd.errors.ParserError) as error:
        raise BadInput(f"{path} is no readable table with the columns {', '.join(columns)}: {error}") from error
    refuse(str(path), f"rows without {columns[0]}", table.index[table[columns[0]].isna()])
    return table
