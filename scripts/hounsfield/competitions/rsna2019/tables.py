"""The table of slices: its columns, the order of slices in a series, folds and labels.

`data/<data set>/slices.parquet` is written by preparation and read by every later stage of every system. A slice is
`test` where the competition or a named test set says so, and where its data set has no labels at all: it is there to be
predicted. In a data set with labels a slice without one is `unlabelled`: neither learnt from, nor scored, nor a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.folds import published_folds
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS, label_set_of
from hounsfield.competitions.rsna2019.paths import PREPARE, SLICES, data_folder
from hounsfield.core.counts import count_of
from hounsfield.core.dicom.series import GROUPING_COLUMNS, group_files
from hounsfield.core.dicom.stacks import POSITION, SERIES_KEY, along_normal
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.intake.slice_rows import PLACE_FIELDS
from hounsfield.core.logs import logger
from hounsfield.core.stages.upstream import RemedyOf, Upstream, require
from hounsfield.core.storage.tables import read_table, to_arrow

# what one pass over a file yields
FILE_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("image_id", pa.string()),
    ("path", pa.string()),  # in the archive, or below the images' folder
    ("stamp", pa.int64()),  # of place, size, times and inode: tells a file that changed without reading it
    ("content", pa.int64()),  # 63 bits of the digest of the file's bytes
    *PLACE_FIELDS,
    ("bits_stored", pa.int16()),
    ("pixel_representation", pa.int16()),
    ("transfer_syntax", pa.string()),
    ("rescale_slope", pa.float64()),
    ("rescale_intercept", pa.float64()),
    ("intercept_repaired", pa.bool_()),
    ("window_center", pa.float64()),
    ("window_width", pa.float64()),
    ("body_part", pa.string()),  # a term of DICOM's, "" where the header has none of them
    *((name, pa.int32()) for name in ("x0", "y0", "x1", "y1")),  # crop box, half-open
    *((name, pa.float32()) for name in ("hu_min", "hu_max", "hu_mean", "brain_min", "brain_max", "brain_mean")),
    ("brain_diff", pa.float32()),  # brain_max - brain_min, HU in the brain window
    ("brain_ratio", pa.float32()),  # share of pixels strictly between 0 and 80 HU
    ("flags", pa.string()),  # codes of what was odd but used, separated by blanks
    ("image_crc32", pa.int64()),  # of the prepared JPEG
    ("pixel_number", pa.int64()),  # 63 bits of the digest of the stored values: equal pictures are seen to be
)
FILE_SCHEMA = pa.schema(FILE_FIELDS)
# what tells files and patients apart, which slices need not: a copied file is the same slice
OF_FILES = ("stamp", "content", "patient_order", "sop_number", "pixel_number")


def slice_schema(label_set: LabelSet) -> pa.Schema:
    """The columns of slices.parquet for the labels of one data set."""
    return pa.schema(
        [
            ("split", pa.string()),  # train (it has labels), test (to be predicted), or unlabelled (neither)
            ("series", pa.int32()),  # numbers the sequences of one data set; rows of a series stand together
            ("order", pa.int32()),  # 0, 1, ... along the series
            ("normal_mm", pa.float64()),  # position along the slice normal
            *(field for field in FILE_FIELDS if field[0] not in OF_FILES),
            *label_fields(label_set),
            ("fold", pa.int8()),  # null for test slices, and where no slice of the patient has labels
        ]
    )


def label_fields(label_set: LabelSet, names: Iterable[str] | None = None) -> list[tuple[str, pa.DataType]]:
    """A column for each name (or for `names`): 0 and 1, or probabilities; null where the label is not known."""
    kind = pa.float32() if label_set.soft else pa.int8()
    return [(name, kind) for name in (label_set.names if names is None else names)]


SLICE_SCHEMA = slice_schema(LABELS)  # of the competition's own data

# what the order, the folds and the flags of slices follow from
ORDERING_COLUMNS = ("image_id", *GROUPING_COLUMNS)
# go from the files to the table of slices as they are
COPIED = set(FILE_SCHEMA.names) - {"patient_id", "series_uid", "flags"}


def open_data_set(work: Path, data_set: str, remedy_of: RemedyOf) -> Upstream:
    """A prepared data set. Raises MissingInput or StaleOutput with the command that makes it."""
    return require(work, data_folder(work, data_set), PREPARE, remedy_of)


def read_slices(data: Upstream, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """The slices of a data set, sorted by split, series and order in the series."""
    return read_table(data.file(SLICES), slice_schema(label_set_of(data)), remedy=data.remedy, columns=columns)


def files_to_order(rows: pa.Table, *, keep_copies: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The files that are used, with what their order follows from, and the refusals of the others.

    rows: FILE_SCHEMA, one per file. Returns ORDERING_COLUMNS and what `group_files` finds, and `row`, the place in
    `rows`; and path, reason and message of copies, reformats and slices that belong to no stack. keep_copies: as for
    `group_files`.
    """
    files = rows.select(ORDERING_COLUMNS).to_pandas()
    return group_files(files.assign(row=np.arange(len(files))), keep_copies=keep_copies)


def slice_table(label_set: LabelSet, rows: pa.Table, slices: pd.DataFrame) -> pa.Table:
    """The table of slices (`slice_schema`): `rows` in the order of `slices`, and the columns that were found for these.

    rows: FILE_SCHEMA. slices: with `row`, the place of each slice in `rows`, and all columns that `rows` does not have.
    """
    row = pa.array(slices["row"])
    schema = slice_schema(label_set)
    found = to_arrow(slices, pa.schema([field for field in schema if field.name not in COPIED]))
    columns = [rows[name].take(row) if name in COPIED else found[name] for name in schema.names]
    return pa.table(columns, schema=schema)


def log_slices(slices: pd.DataFrame, ignored: int, spacing: Path) -> None:
    """Say what was kept and what is odd about it. ignored: other files. spacing: the table of spacing_facts."""
    train, test = slices["split"] == "train", slices["split"] == "test"
    logger.info(
        "%s in %s of %s; %d training, %d test; %s ignored",
        count_of(len(slices), "slices"), count_of(slices["series"].nunique(), "series"),
        count_of(slices["patient_id"].nunique(), "patients"), train.sum(), test.sum(), count_of(ignored, "other files"),
    )  # fmt: skip
    both = sorted(set(slices["patient_id"][train]) & set(slices["patient_id"][test]))
    if both:
        logger.warning("patients both in training and test: %d; the first: %s", len(both), ", ".join(both[:10]))
    flags, counts = np.unique(" ".join(slices["flags"]).split(), return_counts=True)
    for flag, count in zip(flags, counts, strict=True):
        logger.info("flagged %d: %s", count, flag)
    for fact, count in spacing_facts(slices)["fact"].value_counts().items():
        logger.info("spacing: %d times a %s (see %s)", count, fact, spacing)


def order_slices(files: pd.DataFrame, rule: str, *, by_name: bool = False) -> pd.DataFrame:
    """Sort slices into series and add the columns `series`, `order` and `normal_mm`.

    rule: `normal` sorts by the projection of the position on the slice normal, which a tilted gantry or a wandering x
    cannot scramble; `position_xyz` sorts by x, then y, then z as the published system does. Slices without a place
    stand in order of their instance number, then of their names; equal places in order of the image identifier, or of
    the path. by_name: series stand in order of their first path, as pseudonyms with a key differ from time to time.
    """
    files = files.copy()
    if "normal_mm" not in files:
        files = files.assign(normal_mm=along_normal(files), name_rank=0)
    along = ["normal_mm"] if rule == "normal" else list(POSITION)
    within = [*along, "instance_number", "name_rank", "path" if by_name else "image_id"]
    if by_name:
        files["first_path"] = files.groupby(list(SERIES_KEY))["path"].transform("min")
    files = files.sort_values([*(["first_path"] if by_name else []), *SERIES_KEY, *within], ignore_index=True)
    groups = files.groupby(list(SERIES_KEY), sort=False)
    files["series"] = groups.ngroup().astype(np.int32)
    files["order"] = groups.cumcount().astype(np.int32)
    return files


def spacing_facts(slices: pd.DataFrame) -> pd.DataFrame:
    """Duplicate and missing positions, as a table: series, fact (duplicate or gap), normal_mm.

    A gap is a step of more than 1.5 times the series' usual one, which is the median.
    """
    step = slices.groupby("series")["normal_mm"].diff()
    usual = step.groupby(slices["series"]).transform("median")
    facts = np.select([step.abs() < 1e-3, step > 1.5 * usual.clip(lower=1e-3)], ["duplicate", "gap"], "")
    found = slices.assign(fact=facts).loc[facts != "", ["series", "fact", "normal_mm"]]
    return found.reset_index(drop=True)


def add_labels_and_folds(slices: pd.DataFrame, labels: pd.DataFrame | None, fold_count: int) -> pd.DataFrame:
    """Add split, the six labels and the fold.

    labels: indexed by image identifier, six columns; None: everything is test. Folds are the published ones.
    """
    joined = slices.drop(columns=["split", *CLASSES, "fold"], errors="ignore")
    if labels is None:
        labels = pd.DataFrame(columns=list(CLASSES), dtype="float64")
    joined = joined.merge(labels.astype("float64"), how="left", left_on="image_id", right_index=True)
    labelled = joined["any"].notna().to_numpy()
    joined["split"] = np.where(labelled, "train", "test")
    train = joined.loc[labelled, ["image_id", "patient_id"]]
    folds = published_folds(train, labels.index, fold_count)
    joined["fold"] = pd.Series(folds, train.index).astype("float64").reindex(joined.index)
    return joined.sort_values(["split", "series", "order"], ascending=[False, True, True], ignore_index=True)
