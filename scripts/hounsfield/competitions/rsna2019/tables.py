"""The table of slices: its columns, the order of slices in a series, folds and labels.

`data/<data set>/slices.parquet` is written by preparation and read by every later stage of every system.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS, label_set_of
from hounsfield.competitions.rsna2019.paths import PREPARE, SLICES, data_folder
from hounsfield.core.evaluation.folds import fold_by_first_row
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.imaging.geometry import position_along_normal, slice_normal
from hounsfield.core.logs import logger
from hounsfield.core.stages.upstream import RemedyOf, Upstream, require
from hounsfield.core.storage.tables import read_table, to_arrow

POSITION = ("x_mm", "y_mm", "z_mm")  # ImagePositionPatient
ORIENTATION = tuple(f"{line}_{axis}" for line in ("row", "column") for axis in "xyz")  # direction cosines

SERIES_KEY = ("patient_id", "series_uid", "study_uid")  # what one sequence of slices shares

# what one pass over a file yields
FILE_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("image_id", pa.string()),
    ("path", pa.string()),  # in the archive, or below the images' folder
    ("stamp", pa.int64()),  # of place, size, times and inode: tells a file that changed without reading it
    ("content", pa.int64()),  # 63 bits of the digest of the file's bytes
    ("patient_id", pa.string()),
    ("study_uid", pa.string()),
    ("series_uid", pa.string()),
    ("sop_number", pa.int64()),  # 48 bits of the SOPInstanceUID's digest, 0 where absent: equal ones are seen to be
    *((name, pa.float64()) for name in (*POSITION, *ORIENTATION)),
    ("instance_number", pa.int64()),
    ("acquisition_number", pa.int64()),
    ("frame_of_reference", pa.string()),  # what lies in one coordinate system; "" where absent
    ("slice_location_mm", pa.float64()),
    ("rows", pa.int32()),
    ("columns", pa.int32()),
    ("row_spacing_mm", pa.float64()),
    ("column_spacing_mm", pa.float64()),
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


def slice_schema(label_set: LabelSet) -> pa.Schema:
    """The columns of slices.parquet for the labels of one data set."""
    return pa.schema(
        [
            ("split", pa.string()),  # train (it has labels) or test
            ("series", pa.int32()),  # numbers the sequences of one data set; rows of a series stand together
            ("order", pa.int32()),  # 0, 1, ... along the series
            ("normal_mm", pa.float64()),  # position along the slice normal
            # without what tells files apart: a copied file is the same slice
            *(field for field in FILE_FIELDS if field[0] not in ("stamp", "content", "sop_number", "pixel_number")),
            *label_fields(label_set),
            ("fold", pa.int8()),  # null for test slices
        ]
    )


def label_fields(label_set: LabelSet, names: Iterable[str] | None = None) -> list[tuple[str, pa.DataType]]:
    """A column for each name (or for `names`): 0 and 1, or probabilities; null where the label is not known."""
    kind = pa.float32() if label_set.soft else pa.int8()
    return [(name, kind) for name in (label_set.names if names is None else names)]


SLICE_SCHEMA = slice_schema(LABELS)  # of the competition's own data

# what the order, the folds and the flags of slices follow from
ORDERING_COLUMNS = (
    "image_id", *SERIES_KEY, *POSITION, *ORIENTATION, "instance_number", "flags", "sop_number", "image_crc32"
)  # fmt: skip
COPIED = set(FILE_SCHEMA.names) - {"flags"}  # go from the files to the table of slices as they are


def open_data_set(work: Path, data_set: str, remedy_of: RemedyOf) -> Upstream:
    """A prepared data set. Raises MissingInput or StaleOutput with the command that makes it."""
    return require(work, data_folder(work, data_set), PREPARE, remedy_of)


def read_slices(data: Upstream, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """The slices of a data set, sorted by split, series and order in the series."""
    return read_table(data.file(SLICES), slice_schema(label_set_of(data)), remedy=data.remedy, columns=columns)


def files_to_order(rows: pa.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the order of the slices follows from, and the refusals of slices that no order can hold.

    rows: FILE_SCHEMA, one per file. Returns ORDERING_COLUMNS, with all flags, and `row`, the place in `rows`; and path,
    reason and message of the slices that lie otherwise than their series.
    """
    files = rows.select(ORDERING_COLUMNS).to_pandas()
    files["flags"] = flags_with_repeats(files)
    tilted = tilted_away(files)
    refused = pd.DataFrame({"path": rows["path"].filter(pa.array(tilted)).to_pandas()})
    message = "lies more than 5 degrees off the other slices of its series"
    refused = refused.assign(reason="mixed_orientation", message=message)
    return files.assign(row=np.arange(len(files)))[~tilted], refused


def slice_table(rows: pa.Table, slices: pd.DataFrame) -> pa.Table:
    """The table of slices (SLICE_SCHEMA): `rows` in the order of `slices`, and the columns that were found for these.

    rows: FILE_SCHEMA. slices: with `row`, the place of each slice in `rows`, and all columns that `rows` does not have.
    """
    row = pa.array(slices["row"])
    found = to_arrow(slices, pa.schema([field for field in SLICE_SCHEMA if field.name not in COPIED]))
    columns = [rows[name].take(row) if name in COPIED else found[name] for name in SLICE_SCHEMA.names]
    return pa.table(columns, schema=SLICE_SCHEMA)


def log_slices(slices: pd.DataFrame, ignored: int, spacing: Path) -> None:
    """Say what was kept and what is odd about it. ignored: other files. spacing: the table of spacing_facts."""
    train = slices["split"] == "train"
    logger.info(
        "%d slices in %d series of %d patients; %d training, %d test; %d other files ignored",
        len(slices), slices["series"].nunique(), slices["patient_id"].nunique(), train.sum(), (~train).sum(), ignored,
    )  # fmt: skip
    flags, counts = np.unique(" ".join(slices["flags"]).split(), return_counts=True)
    for flag, count in zip(flags, counts, strict=True):
        logger.info("flagged %d: %s", count, flag)
    for fact, count in spacing_facts(slices)["fact"].value_counts().items():
        logger.info("spacing: %d times a %s (see %s)", count, fact, spacing)


def flags_with_repeats(files: pd.DataFrame) -> pd.Series:
    """The flags of each file, and one more where another file has the same SOPInstanceUID, which should be its own.

    copy: the other's prepared image is the same, too. sop_uid_repeated: it is another one. All of them are kept.
    """
    repeated = (files["sop_number"] != 0) & files.duplicated("sop_number", keep=False)
    copied = repeated & files.duplicated(["sop_number", "image_crc32"], keep=False)
    added = np.select([copied, repeated], [" copy", " sop_uid_repeated"], "")
    return (files["flags"] + added).str.strip()


def tilted_away(files: pd.DataFrame, *, degrees: float = 5.0) -> np.ndarray:
    """True where a slice's normal differs from the middle one of its series: it belongs to another stack. (N,) bool.

    In a series of as many slices one way as the opposite way there is no middle, and none of them can be placed.
    """
    normals = pd.DataFrame(slice_normal(files[list(ORIENTATION)].to_numpy()), index=files.index)
    middle = normals.groupby([files[key] for key in SERIES_KEY]).transform("median").to_numpy()
    along = np.einsum("ij,ij->i", normals.to_numpy(), middle)  # NaN where the orientation is unknown
    return along <= np.cos(np.radians(degrees)) * np.linalg.norm(middle, axis=1)


def order_slices(files: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Sort slices into series and add the columns `series`, `order` and `normal_mm`.

    rule: `normal` sorts by the projection of the position on the slice normal, which a tilted gantry or a wandering x
    cannot scramble; `position_xyz` sorts by x, then y, then z as the published system does. Slices without a position
    stand in order of their instance number; equal positions in order of the image identifier.
    """
    files = files.copy()
    files["normal_mm"] = position_along_normal(files[list(POSITION)].to_numpy(), files[list(ORIENTATION)].to_numpy())
    # without an orientation the axial assumption is the best there is
    files["normal_mm"] = files["normal_mm"].fillna(files["z_mm"])
    along = ["normal_mm"] if rule == "normal" else list(POSITION)
    files = files.sort_values([*SERIES_KEY, *along, "instance_number", "image_id"], ignore_index=True)
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

    labels: indexed by image identifier, six columns; None: everything is test. Folds are the published ones: with the
    labels sorted by image identifier, a patient's fold is the row number of its first slice modulo `fold_count`.
    """
    joined = slices.drop(columns=["split", *CLASSES, "fold"], errors="ignore")
    if labels is None:
        labels = pd.DataFrame(columns=list(CLASSES), dtype="float64")
    joined = joined.merge(labels.astype("float64"), how="left", left_on="image_id", right_index=True)
    labelled = joined["any"].notna().to_numpy()
    joined["split"] = np.where(labelled, "train", "test")
    train = joined.loc[labelled, ["image_id", "patient_id"]]
    rows = labels.index.sort_values().get_indexer(pd.Index(train["image_id"]))
    folds = fold_by_first_row(train["patient_id"], rows, fold_count)
    joined["fold"] = pd.Series(folds, train.index).astype("float64").reindex(joined.index)
    return joined.sort_values(["split", "series", "order"], ascending=[False, True, True], ignore_index=True)
