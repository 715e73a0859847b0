"""One pass over a DICOM file: header, pixels, statistics, windows, crop box, JPEG (RSNA 2019, 2nd place, section 1)."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np

from hounsfield.competitions.rsna2019.slices import ORIENTATION, POSITION
from hounsfield.core.archives import SourceFile
from hounsfield.core.dicom import DicomSlice, read_slice
from hounsfield.core.errors import Refused
from hounsfield.core.executors import file_time_limit
from hounsfield.core.images import bounding_box, encode_jpeg, image_path
from hounsfield.core.windows import BRAIN, SOFT_TISSUE, SUBDURAL, window_table

WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)  # the three channels of a prepared image
SECONDS_A_FILE = 20.0  # a decoder that takes longer hangs
PSEUDONYM = re.compile(r"ID_[0-9a-f]{6,16}")  # as the competition gives them


@dataclass
class Prepared:
    """What one chunk of files gave: rows of the slice table, rows of the rejects table."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)


class Naming(NamedTuple):
    """How identifiers become pseudonyms. key: of one's own data; None for the competition, which has given its own.

    Patient numbers are few enough to try them all, so a digest without a key would not hide them.
    """

    key: bytes | None

    def pseudonym(self, value: str) -> str:
        """The competition's pseudonyms (`ID_...`) as they are; any other identifier as a keyed digest of its text."""
        if self.key is None and PSEUDONYM.fullmatch(value):
            return value
        digest = hmac.new(self.key or b"", value.encode("utf-8", "surrogateescape"), hashlib.sha256)
        return f"ID_{digest.hexdigest()[:12]}"

    def image_id(self, file: SourceFile) -> str:
        """A slice's identifier: the competition's file stem, or the digest of the file's path in the input.

        Never header text: what a header claims may be empty, the same in every file, or `../../x`.
        """
        return self.pseudonym(PurePosixPath(file.name).stem if self.key is None else file.name)


def prepare_chunk(
    files: Sequence[SourceFile], *, images: str, naming: Naming, repair_intercept: bool, jpeg_quality: int
) -> Prepared:
    """Prepare each file; what cannot be used is refused with a reason, and costs itself alone."""
    cv2.setNumThreads(1)  # the processes are the parallelism
    prepared = Prepared()
    for file in files:
        try:
            with file_time_limit(SECONDS_A_FILE):
                row = prepare_file(file, Path(images), naming, repair=repair_intercept, jpeg_quality=jpeg_quality)
            prepared.rows.append(row)
        except Refused as refusal:
            prepared.rejected.append(reject_row(file, refusal.code, refusal.message))
    return prepared


def refuse_deadly(file: SourceFile) -> Prepared:
    """The result for a file whose decoding ended the process or took longer than the limit."""
    message = f"its decoder died, or took more than {SECONDS_A_FILE:.0f} s"
    return Prepared(rejected=[reject_row(file, "decoder_died", message)])


def reject_row(file: SourceFile, code: str, message: str) -> dict[str, Any]:
    """One row of the rejects table."""
    return {"path": file.label, "stamp": file.stamp, "reason": code, "message": message}


def prepare_file(file: SourceFile, images: Path, naming: Naming, *, repair: bool, jpeg_quality: int) -> dict[str, Any]:
    """Write one slice's image and return its row of the slice table."""
    image_id = naming.image_id(file)
    slice_ = read_slice(file.read(), repair_intercept=repair)
    image, statistics = window_image(slice_)
    encoded = encode_jpeg(image, jpeg_quality)
    path = image_path(images, image_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(encoded)  # not flushed to disk one by one: the row that vouches for it is written after it
    partial.replace(path)
    return {
        "image_id": image_id,
        "path": file.label,
        "stamp": file.stamp,
        "image_crc32": zlib.crc32(encoded),
        **_header_columns(slice_, str(PurePosixPath(file.name).parent), naming),
        **statistics,
    }


def window_image(slice_: DicomSlice) -> tuple[np.ndarray, dict[str, Any]]:
    """The three windows of a slice as (rows, columns, 3) uint8, and its crop box and HU statistics.

    All of it comes from one look-up table over the stored values and one histogram of them: what a stored value
    becomes does not depend on where it stands. (The published system finds the box in the image as it comes back from
    JPEG, which ringing around the skull makes a few pixels larger.)
    """
    stored = slice_.stored  # int16 or uint16
    low, high = int(stored.min()), int(stored.max())
    level = (stored - stored.dtype.type(low)).view(np.uint16)  # from 0; the difference wraps, the view unwraps
    hu = np.arange(low, high + 1) * slice_.slope + slice_.intercept  # (K,)
    present = np.bincount(level.ravel(), minlength=high - low + 1)  # (K,) pixels of each value
    table = np.zeros((len(hu), 4), np.uint8)  # four channels: one 32-bit word a value is looked up at once
    table[:, :3] = window_table(hu, WINDOWS)
    words = table.view(np.uint32)[:, 0].take(level)
    image = cv2.cvtColor(words.view(np.uint8).reshape(*stored.shape, 4), cv2.COLOR_BGRA2BGR)
    box = bounding_box(words != 0)
    return image, {**box._asdict(), **_statistics(hu, present)}


def _statistics(hu: np.ndarray, present: np.ndarray) -> dict[str, float]:
    """HU statistics from a histogram. hu, present: (K,) Hounsfield units and how many pixels have them."""
    brain = np.clip(hu, BRAIN.lower, BRAIN.lower + BRAIN.width)
    count = present.sum()
    inside = (hu > BRAIN.lower) & (hu < BRAIN.lower + BRAIN.width)
    held = present > 0
    return {
        "hu_min": float(hu[held].min()),
        "hu_max": float(hu[held].max()),
        "hu_mean": float(hu @ present / count),
        "brain_min": float(brain[held].min()),
        "brain_max": float(brain[held].max()),
        "brain_mean": float(brain @ present / count),
        "brain_diff": float(brain[held].max() - brain[held].min()),
        "brain_ratio": float(present[inside].sum() / count),
    }


def _header_columns(slice_: DicomSlice, folder: str, naming: Naming) -> dict[str, Any]:
    """A slice's header facts under the table's names; identifiers as pseudonyms.

    Where the header does not say which series or patient a slice is of, its folder does.
    """
    nan3, nan6 = (float("nan"),) * 3, (float("nan"),) * 6
    spacing = slice_.pixel_spacing or (float("nan"),) * 2
    return {
        "patient_id": naming.pseudonym(slice_.patient_id or slice_.study_uid or folder),
        "study_uid": naming.pseudonym(slice_.study_uid or folder),
        "series_uid": naming.pseudonym(slice_.series_uid or folder),
        **dict(zip(POSITION, slice_.position or nan3, strict=True)),
        **dict(zip(ORIENTATION, slice_.orientation or nan6, strict=True)),
        "instance_number": slice_.instance_number,
        "rows": slice_.rows,
        "columns": slice_.columns,
        "row_spacing_mm": spacing[0],
        "column_spacing_mm": spacing[1],
        "bits_stored": slice_.bits_stored,
        "pixel_representation": slice_.pixel_representation,
        "transfer_syntax": slice_.transfer_syntax,
        "rescale_slope": slice_.slope,
        "rescale_intercept": slice_.intercept,
        "intercept_repaired": slice_.intercept_repaired,
        "window_center": slice_.window_center,
        "window_width": slice_.window_width,
        "flags": " ".join(slice_.flags),
    }
