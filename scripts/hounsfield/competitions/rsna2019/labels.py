"""The classes of RSNA 2019, and the label table that comes with the competition or with one's own images."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.errors import WrongTable
from hounsfield.core.evaluation.labels import LabelSet, label_settings, labels_from, weighted_labels
from hounsfield.core.stages.upstream import Upstream

# the order of the 2nd-place system; every array of six in this project has it
CLASSES = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any")
CLASS_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0)  # the competition's metric counts `any` twice
PROBABILITY_CLIP = 1e-5  # 2nd place; the metric would be infinite at 0 and 1
LABELS = weighted_labels(CLASSES, "image_id", CLASS_WEIGHTS, PROBABILITY_CLIP, any_of="any")
ROWS_PER_READ = 250_000  # rows of a table that are text at one time


def label_set_of(made: Upstream) -> LabelSet:
    """The label set of a data set, or of what has learnt from one; the competition's where the record names none."""
    settings = made.record["settings"].get("labels") or made.record["facts"].get("labels")
    return LABELS if settings is None else labels_from(settings, LABELS.row, PROBABILITY_CLIP)


def label_facts(made: Upstream) -> dict[str, Any]:
    """What the record of an output says of the labels of `made`, from which they are handed on to it."""
    return {"labels": label_settings(label_set_of(made))}


def read_labels(content: bytes, source: str) -> pd.DataFrame:
    """Read a label table: the competition's long one, or a wide one with a column a class.

    Long: columns ID, Label; six rows per slice, ID = <image>_<class>. Rows that repeat another are dropped.
    Wide: a column `image` (file name, its stem, or its path below the images' folder) and the six classes.
    Returns a frame indexed by image, with six int8 columns in the order of CLASSES.
    Raises WrongTable naming the source, the fact and the first ten places.
    """
    blocks = _blocks(content, source)
    first = next(blocks)
    if {"ID", "Label"} <= set(first.columns):
        return _from_long(chain([first], blocks), source)
    if {"image", *CLASSES} <= set(first.columns):
        return _from_wide(pd.concat([first, *blocks]), source)
    raise WrongTable(
        f"{source}: columns {list(first.columns)[:8]} are neither ID, Label nor image and {', '.join(CLASSES)}"
    )


def _blocks(content: bytes, source: str) -> Iterator[pd.DataFrame]:
    """The rows of a CSV table, some at a time; at least one."""
    try:
        text = io.BytesIO(content)
        kinds = {"ID": str, "image": str}
        for block in pd.read_csv(
            text, encoding="utf-8-sig", dtype=kinds, keep_default_na=False, chunksize=ROWS_PER_READ
        ):
            if block.empty or not isinstance(block.index, pd.RangeIndex):  # cells beyond the header would be an index
                fact = "has no rows" if block.empty else "has rows with more cells than its header"
                raise WrongTable(f"{source} {fact}; write it again as CSV")
            yield block
    except (ValueError, pd.errors.ParserError) as error:
        raise WrongTable(f"{source} is not a readable CSV table: {error}") from error


def _from_long(blocks: Iterable[pd.DataFrame], source: str) -> pd.DataFrame:
    """The long form, of which the competition's has 4.5 million rows: only numbers of them are kept."""
    not_binary, shapeless, unknown = [], [], []
    images, columns, values = [], [], []
    for block in blocks:
        ids, labels = pa.array(block["ID"], pa.string()), pd.to_numeric(block["Label"], errors="coerce")
        parts = pc.extract_regex(ids, r"(?s)^(?P<image>.*)_(?P<class>[^_]*)$")
        column = pc.index_in(pc.struct_field(parts, "class"), value_set=pa.array(CLASSES))
        not_binary += block["ID"][~labels.isin([0, 1])].tolist()
        shapeless += ids.filter(parts.is_null()).to_pylist()
        unknown += ids.filter(column.is_null()).to_pylist()
        images.append(pc.struct_field(parts, "image").dictionary_encode())
        columns.append(column.fill_null(0).to_numpy())
        values.append((labels == 1).to_numpy(np.int8))
    _refuse(source, "labels that are not 0 or 1", not_binary)
    if len(shapeless) == sum(map(len, values)):
        raise WrongTable(f"{source}: its IDs do not have the form <image>_<class>")
    _refuse(source, "unknown classes", unknown)
    encoded = pa.chunked_array(images).unify_dictionaries()
    number = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])  # of the image, a row
    return _wide(encoded.chunk(0).dictionary, number, np.concatenate(columns), np.concatenate(values), source)


def _wide(images: pa.Array, number: np.ndarray, column: np.ndarray, value: np.ndarray, source: str) -> pd.DataFrame:
    """Six columns an image, sorted by image. images: (N,); number, column and value: (L,), of each row of the table."""
    labels = np.full((len(images), len(CLASSES)), -1, np.int8)
    labels[number, column] = value
    contradicted = np.zeros(labels.shape, bool)
    other = labels[number, column] != value  # than the last row of the same ID
    contradicted[number[other], column[other]] = True
    twice = contradicted[number, column]
    places = dict.fromkeys(zip(number[twice].tolist(), column[twice].tolist(), strict=True))  # each once, in order
    _refuse(source, "IDs with contradicting labels", [f"{images[n]}_{CLASSES[c]}" for n, c in places])
    order = pc.sort_indices(images).to_numpy()
    wide = pd.DataFrame(labels[order], pd.Index(images.take(pa.array(order)), dtype="str", name="image"), list(CLASSES))
    _refuse(source, "images without all six classes", wide.index[(wide < 0).any(axis=1)])
    return wide


def _from_wide(table: pd.DataFrame, source: str) -> pd.DataFrame:
    wide = table.set_index("image")[list(CLASSES)].apply(pd.to_numeric, errors="coerce")
    _refuse(source, "labels that are not 0 or 1", wide.index[~wide.isin([0, 1]).all(axis=1)])
    wide = wide[~wide.reset_index().duplicated().to_numpy()]
    _refuse(source, "images with contradicting labels", wide.index[wide.index.duplicated()])
    return wide.astype(np.int8)


def _refuse(source: str, fact: str, places: Sequence[str] | pd.Series | pd.Index) -> None:
    if len(places):
        listing = ", ".join(str(place)[:60] for place in places[:10])
        raise WrongTable(f"{source}: {len(places)} {fact}; the first are: {listing}. Correct the table and start again")
