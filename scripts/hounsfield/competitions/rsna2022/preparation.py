"""One pass over a DICOM file: header, pixels, Hounsfield units as an intermediate array, joined to a volume later."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hounsfield.competitions.rsna2022.paths import SUFFIX
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.intake.slice_rows import slice_row
from hounsfield.core.storage.arrays import array_number
from hounsfield.core.storage.image_files import image_path, store_image

# what the label of a series of the cervical spine may say: the spine, the neck, and what is scanned together with it
BODY_PARTS = frozenset({
    "CSPINE", "SPINE", "CTSPINE", "NECK", "HEADNECK", "HEAD", "NECKCHEST", "NECKCHESTABDOMEN", "NECKCHESTABDPELV",
})  # fmt: skip
TRAIN_FOLDER, TEST_FOLDER = "train_images", "test_images"
# not ._1.dcm, with which a Mac accompanies each file that it packs; at any depth below the study's folder
SLICE = re.compile(
    rf"(?:^|.*/)(?P<folder>{TRAIN_FOLDER}|{TEST_FOLDER})/(?P<study>[^/.][^/]*)/(?:.*/)?[^/.][^/]*\.(?i:dcm)"
)
STUDIES_AS_NAMED = Naming(given=re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,99}"))  # may become a file's name


def prepare_slice(
    file: SourceFile, content: bytes, *, slices: Path, naming: Naming, named_by_folder: bool
) -> dict[str, Any]:
    """Write one slice's Hounsfield units below `slices` and return its row (FILE_SCHEMA). Raises Refused.

    named_by_folder: a study is what its folder is called, as in the competition's archive, whatever headers say.
    """
    slice_ = read_slice(content, body_parts=BODY_PARTS)
    hu = hounsfield_units(slice_)
    encoded = io.BytesIO()
    np.save(encoded, hu, allow_pickle=False)
    image_id = slice_id(file)
    row = slice_row(slice_, str(PurePosixPath(file.path).parent), naming)
    match = SLICE.fullmatch(file.path) if named_by_folder else None
    if match is not None:
        row["study_uid"] = STUDIES_AS_NAMED.pseudonym(match["study"])
    return {
        **row,
        "image_id": image_id,
        "image_crc32": store_image(image_path(slices, image_id, SUFFIX), encoded.getvalue()),
        "pixel_number": array_number(hu),
    }


def slice_id(file: SourceFile) -> str:
    """A file's identifier: 96 bits of its path's digest, which no two of a million share."""
    return hashlib.sha256(file.path.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def hounsfield_units(slice_: DicomSlice) -> np.ndarray:
    """A slice in Hounsfield units, rounded and clipped to int16, (rows, columns)."""
    if slice_.slope == 1 and float(slice_.intercept).is_integer():
        hu = slice_.stored.astype(np.int32) + int(slice_.intercept)
    else:
        hu = np.rint(slice_.stored * slice_.slope + slice_.intercept)
    limits = np.iinfo(np.int16)
    return np.clip(hu, limits.min, limits.max).astype("<i2")
