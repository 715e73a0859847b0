"""The stacking system's table of slices: its own folds, neighbours, places, and which slices have an image.

Rows stand as in data/<data set>/slices.parquet. Slices follow each other as that table's `series` (one sequence of one
patient; in this competition a study is one series) and `order` (0, 1, ... along the slice normal) say.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.folds import folds_of_slices_with_brain
from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.competitions.rsna2019.tables import label_fields
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.logs import logger
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.tables import read_table
from hounsfield.stacking.config import DataConfig

FIXED_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("image_id", pa.string()),
    ("split", pa.string()),  # train (it has labels) or test
    ("series", pa.int32()),
    ("order", pa.int32()),
    ("patient_id", pa.string()),
    ("study_uid", pa.string()),
    ("position_ord", pa.float32()),  # rank in the series, from 1, by the number of its slices
    ("slices_in_study", pa.int32()),
    ("brain_diff", pa.float32()),  # HU in the brain window, brightest minus darkest
    ("brain_ratio", pa.float32()),  # share of pixels strictly between 0 and 80 HU
)
PREPARED_COLUMNS = (  # and the labels
    "image_id", "split", "series", "order", "patient_id", "study_uid", "brain_diff", "brain_ratio"
)  # fmt: skip


def neighbour_columns(label_set: LabelSet) -> list[str]:
    """The columns of the labels of the slice before, then of the slice after: (2 * C,)."""
    return [f"{side}_{name}" for side in ("left", "right") for name in label_set.names]


def stacking_schema(label_set: LabelSet) -> pa.Schema:
    """The columns of an experiment's table of slices."""
    return pa.schema(
        [
            *FIXED_FIELDS,
            *label_fields(label_set),  # null for test slices
            # labels of the slices before and after, among those that show brain; null beyond the ends
            *label_fields(label_set, neighbour_columns(label_set)),
            ("fold", pa.int8()),  # this system's own; null for test slices, and as data.fold_without_brain says
            ("hu_crc32", pa.int64()),  # of the image in Hounsfield units; null where there is none
        ]
    )


def read_stacking_slices(data: Upstream, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The slices of an experiment, sorted by split, series and order in the series."""
    return read_table(data.file(SLICES), stacking_schema(label_set_of(data)), remedy=data.remedy, columns=columns)


def folds_of_run(made: Upstream, slices: pd.DataFrame) -> np.ndarray:
    """The fold of some labelled slices as the system of a finished run has it: this one's own, or the data set's.

    made: predictions of either. slices: indexed by image_id, with the data set's fold. Returns (n,) int8.
    """
    own = made.record["inputs"].get("stacking data")
    if own is None:
        return slices["fold"].to_numpy(np.int8)
    path = made.work / Path(own["record"]).with_name(SLICES)
    folds = read_table(path, pa.schema([("image_id", pa.string()), ("fold", pa.int8())])).set_index("image_id")["fold"]
    return folds.reindex(slices.index).to_numpy(np.int8)


def shows_brain(slices: pd.DataFrame, config: DataConfig) -> np.ndarray:
    """True for the slices that the networks are to see, (N,) bool."""
    return slices["brain_diff"].to_numpy() > config.brain_diff_above


def stacking_slices(
    label_set: LabelSet, slices: pd.DataFrame, checksums: pd.Series, config: DataConfig
) -> pd.DataFrame:
    """The table of one experiment, with the columns of `stacking_schema`.

    slices: PREPARED_COLUMNS and the labels of the prepared slices. checksums: the CRC-32 of each image that was
    written, indexed by image identifier; those of slices that show too little brain for this experiment are left out.
    """
    series = slices["series"]
    length = series.groupby(series).transform("size")
    seen = shows_brain(slices, config)
    folds = folds_of_slices_with_brain(
        slices, seen, label_set, config.fold_count, config.fold_seed, without_brain=config.fold_without_brain != "none"
    )
    return slices.assign(
        position_ord=(slices["order"] + 1) / length,
        slices_in_study=length,
        fold=folds,
        hu_crc32=checksums.reindex(slices["image_id"]).to_numpy(np.float64, na_value=np.nan).copy(),
        **_neighbour_labels(label_set, slices, seen),
    ).assign(hu_crc32=lambda table: table["hu_crc32"].where(seen))


def log_slices(label_set: LabelSet, slices: pd.DataFrame) -> None:
    """Say what the networks will see, and what each fold holds."""
    has_image = slices["hu_crc32"].notna()
    train, test = slices["split"] == "train", slices["split"] == "test"
    logger.info(
        "%d of %d labelled and %d of %d test slices have an image",
        (has_image & train).sum(), train.sum(), (has_image & test).sum(), test.sum(),
    )  # fmt: skip
    for fold, rows in slices[train & has_image].groupby("fold"):
        logger.info(
            "fold %d: %d slices of %d patients, %d with a positive label",
            fold, len(rows), rows["patient_id"].nunique(), (rows[list(label_set.names)] > 0.5).any(axis=1).sum(),
        )  # fmt: skip


def _neighbour_labels(label_set: LabelSet, slices: pd.DataFrame, seen: np.ndarray) -> dict[str, np.ndarray]:
    """The labels of the slice before and of the slice after each one that is seen, (N,) float32 a column.

    As published, slices that show no brain are neither neighbours nor have any. NaN, too, beyond the ends of the
    series, where the neighbour has no labels, and for slices without labels of their own.
    A series may stand in two places of the table, when only some of its slices have labels.
    """
    order = np.lexsort((slices["order"], slices["series"]))
    order = order[seen[order]]
    series = slices["series"].to_numpy()[order]
    labels = slices[list(label_set.names)].to_numpy(np.float32, na_value=np.nan)[order]  # (N, C)
    together = series[1:] == series[:-1]
    left, right = np.full_like(labels, np.nan), np.full_like(labels, np.nan)
    left[1:][together] = labels[:-1][together]
    right[:-1][together] = labels[1:][together]
    both = np.hstack([left, right])  # (N, 2 * C)
    both[np.isnan(labels).any(axis=1)] = np.nan
    placed = np.full((len(slices), both.shape[1]), np.nan, np.float32)
    placed[order] = both
    return dict(zip(neighbour_columns(label_set), placed.T, strict=True))
