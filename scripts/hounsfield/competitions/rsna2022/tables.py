"""The tables of studies and of slices: their columns, and how they are read.

Slices stand from head to feet everywhere behind preparation: in a volume, in the table, in a window, in a curve.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2022.labels import NAMES, VERTEBRAE
from hounsfield.competitions.rsna2022.paths import PREPARE, SLICES, STUDIES, data_folder
from hounsfield.core.intake.slice_rows import PLACE_FIELDS
from hounsfield.core.stages.upstream import RemedyOf, Upstream, require
from hounsfield.core.storage.tables import read_table

TEST_FOLD = -1  # of a study without labels
RATIOS = tuple(f"{name}_ratio" for name in VERTEBRAE)  # columns of SLICE_SCHEMA
VOXELS = tuple(f"{name}_voxels" for name in VERTEBRAE)
BOX = ("x0", "y0", "x1", "y1")

STUDY_SCHEMA = pa.schema(
    [
        ("study_uid", pa.string()),  # as the competition names it; of one's own studies a pseudonym
        ("split", pa.string()),  # train (it has labels) or test
        ("patient_id", pa.string()),  # pseudonym
        ("fold", pa.int8()),  # TEST_FOLD, or the fold that validates on it
        ("slices", pa.int32()),
        ("rows", pa.int32()),  # pixels, of each slice
        ("columns", pa.int32()),
        ("row_spacing_mm", pa.float64()),  # between rows; NaN where no header says it
        ("column_spacing_mm", pa.float64()),
        ("slice_spacing_mm", pa.float64()),  # median step along the slice normal; NaN where nothing says it
        ("vendor", pa.string()),  # who made the scanner (dicom.vendors); null in tables of older versions
        (
            "z_direction",
            pa.int8(),
        ),  # 1: the numbers of the files rise towards the head, -1: towards the feet, 0: unknown
        *((name, pa.float32()) for name in NAMES),  # 1: fractured; null where unknown
        ("has_segmentation", pa.bool_()),
        ("volume_digest", pa.int64()),  # array_number of the volume
        ("flags", pa.string()),  # codes of what was odd but used, separated by blanks
    ]
)
SLICE_SCHEMA = pa.schema(
    [
        ("study_uid", pa.string()),
        ("slice", pa.int32()),  # row of the volume: 0 is nearest to the head
        ("slice_number", pa.int32()),  # of its file: what its name is, or else InstanceNumber, or else slice + 1
        ("z_mm", pa.float64()),  # along the slice normal, rising towards the head; NaN where nothing says it
        ("path", pa.string()),  # of its file, in the archive or below the studies' folder
        # the rest is of segmented studies alone, and null elsewhere
        ("has_box", pa.int8()),  # 1: it shows a part of C1 to C7
        *((name, pa.float32()) for name in BOX),  # first and last column and row that show it; null where none does
        *((name, pa.int32()) for name in VOXELS),
        *(
            (name, pa.float32()) for name in RATIOS
        ),  # voxels over the vertebra's most in any slice; 0 where it is absent
        ("flags", pa.string()),  # codes of what was odd but used, separated by blanks
    ]
)


FILE_SCHEMA = pa.schema(  # what one pass over a file yields, in the journal
    [
        ("image_id", pa.string()),  # the slice's
        ("path", pa.string()),
        ("stamp", pa.int64()),  # of place, size, times and inode: tells a file that changed without reading it
        ("content", pa.int64()),  # 63 bits of the digest of the file's bytes
        *PLACE_FIELDS,
        ("transfer_syntax", pa.string()),
        ("flags", pa.string()),
        ("image_crc32", pa.int64()),  # of the intermediate array
        ("pixel_number", pa.int64()),  # 63 bits of the digest of the Hounsfield units
    ]
)


def open_data_set(work: Path, data_set: str, remedy_of: RemedyOf) -> Upstream:
    """A prepared data set. Raises MissingInput or StaleOutput with the command that makes it."""
    return require(work, data_folder(work, data_set), PREPARE, remedy_of)


def read_studies(data: Upstream, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """The studies of a data set, sorted by study_uid."""
    return read_table(data.file(STUDIES), STUDY_SCHEMA, remedy=data.remedy, columns=columns)


def read_slices(data: Upstream, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """The slices of all studies, in the studies' order and from head to feet."""
    return read_table(data.file(SLICES), SLICE_SCHEMA, remedy=data.remedy, columns=columns)
