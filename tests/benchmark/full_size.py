"""Folds, the order of slices, the index of series and three epochs for the whole competition, on a synthetic table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmark.epochs import epoch_lines
from benchmark.measurements import Line
from benchmark.sequences import series_lengths
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.tables import (
    FILE_FIELDS,
    add_labels_and_folds,
    order_slices,
)
from hounsfield.core.dicom.series import group_files
from hounsfield.core.dicom.stacks import ORIENTATION
from hounsfield.core.logs import Stopwatch
from hounsfield.hemorrhage.config import ClassifierConfig
from hounsfield.hemorrhage.images import IMAGE_COLUMNS, open_slice_images
from hounsfield.hemorrhage.sequence_batches import index_series

SERIES_EACH = 41  # slices of a series on average
MEGABYTE = 10**6


def synthetic_files(slices: int) -> pd.DataFrame:
    """What preparation knows of `slices` slices, in order of their files; every column that it writes."""
    rng = np.random.default_rng(0)
    lengths = series_lengths(slices, max(1, slices // SERIES_EACH), rng)
    number = np.repeat(np.arange(len(lengths)), lengths)
    places: dict[pa.DataType, object] = {pa.string(): "", pa.bool_(): False}
    table = pd.DataFrame({name: places.get(kind, 0) for name, kind in FILE_FIELDS}, index=range(slices))
    for name, kind in FILE_FIELDS:
        if kind not in places:
            table[name] = table[name].astype(kind.to_pandas_dtype())
    names = np.char.mod("ID_%09x", rng.choice(16**9, slices, replace=False))
    table["image_id"] = names.astype(object)
    table["path"] = np.strings.add("rsna-intracranial-hemorrhage-detection/stage_2_train/", names).astype(object)
    table["patient_id"] = np.char.mod("ID_%08x", number * 10 // 11).astype(object)  # some have two series
    table["study_uid"] = np.char.mod("ID_%010x", number).astype(object)
    table["series_uid"] = np.char.mod("ID_%011x", number).astype(object)
    starts = np.cumsum(lengths) - lengths
    table["z_mm"] = (np.arange(slices) - starts[number]) * 5.0
    table["pixel_number"] = table["sop_number"] = np.arange(1, slices + 1)
    table[list(ORIENTATION)] = np.array([1.0, 0, 0, 0, 1, 0])
    return table.sort_values("image_id", ignore_index=True)


def full_size_lines(folder: Path, slices: int, *, width: int, images: int) -> list[Line]:
    """Time the steps from the prepared files through three epochs of batches, and weigh what they take of memory.

    width, images: as in `epoch_lines`, which measures in `folder`.
    """
    files = synthetic_files(slices)
    train = files.loc[files["patient_id"].str[-1] >= "2", "image_id"]  # one patient in eight is a test patient
    labels = pd.DataFrame(0, index=train, columns=list(CLASSES), dtype=np.int8)
    watch, marks = Stopwatch(), []
    table, _ = group_files(files)
    marks.append(watch.seconds)
    table = order_slices(table, "normal")
    marks.append(watch.seconds)
    table = add_labels_and_folds(table, labels, 5)
    marks.append(watch.seconds)
    index = index_series(table)
    marks.append(watch.seconds)
    samples = open_slice_images(table, Path(), ClassifierConfig(), seed=0, names=CLASSES)
    arrays = [value for value in vars(samples).values() if isinstance(value, np.ndarray)]
    held = sum(array.nbytes for array in (*arrays, *index))
    del files, samples, arrays  # what a stage does not hold as it trains
    columns = ["image_id", "split", "series", *CLASSES, "fold"]
    steps = zip(("grouping", "order", "folds", "index"), np.diff(marks, prepend=0), strict=True)
    return [
        Line(what="folds, order and index of series", measured=marks[-1], unit="s", at_most=20,
             note=f"{slices} slices in {len(index.starts)} series; "
             + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps)),
        Line(what="the index in memory", measured=held / MEGABYTE, unit="MB", at_most=150,
             note="names, boxes and labels as each loader process has them, and the index of series"),
        Line(what="the table of slices of the sequence stage in memory",
             measured=int(table[columns].memory_usage(deep=True).sum()) / MEGABYTE, unit="MB"),
        *epoch_lines(folder, table[["split", "series", *IMAGE_COLUMNS, *CLASSES]], width=width, images=images),
    ]  # fmt: skip
