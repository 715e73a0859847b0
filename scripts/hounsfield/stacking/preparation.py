"""From the DICOM files that were prepared to images in Hounsfield units, which this system stores beside the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hounsfield.core.intake.archives import FileList, SourceFile
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.prepared_slices import NOT_AS_PREPARED, read_as_prepared
from hounsfield.core.logs import need_space
from hounsfield.core.storage.image_files import store_image
from hounsfield.stacking.hu_images import BYTES_PER_PIXEL, SUFFIX, encode_hu, hu_of, hu_path

# of the table of slices: how a file was prepared, and what its image in Hounsfield units has to agree with
AS_PREPARED = ["image_id", "hu_mean", "intercept_repaired"]
HU_FILE_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("stamp", pa.int64()),
        ("content", pa.int64()),
        ("hu_mean", pa.float32()),  # these two as the table of slices had them when the image was written
        ("intercept_repaired", pa.bool_()),
        ("hu_crc32", pa.int64()),
    ]
)
DISK_BLOCK_BYTES = 4096  # a file takes half a block more than its bytes, on average


def open_journal(folder: Path, images: Path) -> Journal:
    """The journal in `folder` of the images in Hounsfield units below `images`."""
    return Journal(folder, HU_FILE_SCHEMA, images, SUFFIX, retryable=[NOT_AS_PREPARED])


def store_file(
    _file: SourceFile, content: bytes, image_id: str, hu_mean: float, intercept_repaired: bool, *, folder: Path
) -> dict[str, Any]:
    """Write one slice's image in Hounsfield units below `folder` and return its row (HU_FILE_SCHEMA).

    Raises Refused where the values are not those that the table of slices was made from.
    """
    slice_ = read_as_prepared(content, hu_mean, intercept_repaired=intercept_repaired)
    return {
        "image_id": image_id,
        "hu_mean": hu_mean,
        "intercept_repaired": intercept_repaired,
        "hu_crc32": store_image(hu_path(folder, image_id), encode_hu(hu_of(slice_))),
    }


def files_to_store(files: FileList, journal: Journal, wanted: pd.DataFrame) -> FileList:
    """Files whose image is not stored yet, and files that were prepared otherwise when it was. wanted: by path."""
    rows, _ = journal.join(files)
    then = rows.to_pandas().set_index("path")[AS_PREPARED]
    now = wanted.loc[then.index, AS_PREPARED].astype(then.dtypes)
    outdated = pa.array(then.index[(then != now).any(axis=1)], pa.string())
    todo = [pc.is_in(files.labels, paths) for paths in (journal.unrecorded(files).labels, outdated)]
    return files.take(pc.or_(*todo).to_numpy(zero_copy_only=False))


def check_space(count: int, sizes: pd.DataFrame, folder: Path) -> None:
    """Say what disk `count` images will need and what is free. Raises BadInput when it does not fit.

    sizes: `rows` and `columns` of the slices, pixels. folder: where the images will lie.
    """
    pixels = sizes[["rows", "columns"]].to_numpy(np.int64).prod(axis=1).mean()
    needed = int(count * (pixels * BYTES_PER_PIXEL + DISK_BLOCK_BYTES / 2))
    need_space("stacking data", needed, folder, what=f"{count} images to store")
