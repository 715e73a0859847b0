"""One pass over a DICOM file: from its bytes to the stored image in Hounsfield units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.errors import Refused
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.executors import SECONDS_A_FILE, file_time_limit
from hounsfield.core.intake.journal import Prepared, refused_row
from hounsfield.core.storage.image_files import store_image
from hounsfield.stacking.hu_images import encode_hu, hu_of, hu_path

HU_FILE_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("stamp", pa.int64()),
        ("hu_mean", pa.float32()),  # these two as the table of slices had them when the image was written
        ("intercept_repaired", pa.bool_()),
        ("hu_crc32", pa.int64()),
    ]
)


class HuFile(NamedTuple):
    """A file, and what the table of slices says of it."""

    file: SourceFile
    image_id: str
    hu_mean: float
    intercept_repaired: bool


def store_chunk(files: Sequence[HuFile], *, folder: str) -> Prepared:
    """Store each file's image; what cannot be used is refused with a reason, and costs itself alone."""
    prepared = Prepared()
    for file in files:
        try:
            with file_time_limit(SECONDS_A_FILE):
                prepared.rows.append(store_file(file, Path(folder)))
        except Refused as refusal:
            prepared.rejected.append(refused_row(file.file, refusal.code, refusal.message))
    return prepared


def store_file(file: HuFile, folder: Path) -> dict[str, Any]:
    """Write one slice's image in Hounsfield units, and return what vouches for it.

    The intercept is repaired where preparation has repaired it, so that image and table tell of the same values.
    Raises Refused where the values are not those that the table of slices was made from.
    """
    slice_ = read_slice(file.file.read(), repair_intercept=file.intercept_repaired)
    mean = float(slice_.stored.mean()) * slice_.slope + slice_.intercept
    if not math.isclose(mean, file.hu_mean, rel_tol=1e-5, abs_tol=1e-2):
        message = f"its mean is {mean:.2f} HU, and was {file.hu_mean:.2f} when it was prepared; prepare it again"
        raise Refused("not_as_prepared", message)
    return {
        "image_id": file.image_id,
        "path": file.file.label,
        "stamp": file.file.stamp,
        "hu_mean": file.hu_mean,
        "intercept_repaired": file.intercept_repaired,
        "hu_crc32": store_image(hu_path(folder, file.image_id), encode_hu(hu_of(slice_))),
    }
