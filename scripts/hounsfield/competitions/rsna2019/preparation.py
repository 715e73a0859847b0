"""One pass over a DICOM file: header, pixels, statistics, windows, crop box, JPEG (RSNA 2019, 2nd place, section 1)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np

from hounsfield.competitions.rsna2019.tables import ORIENTATION, POSITION
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.errors import Refused
from hounsfield.core.imaging.boxes import bounding_box
from hounsfield.core.imaging.windows import BRAIN, SOFT_TISSUE, SUBDURAL, window_table
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.executors import SECONDS_A_FILE, file_time_limit
from hounsfield.core.intake.journal import Prepared, refused_row
from hounsfield.core.storage.image_files import encode_jpeg, image_path, store_image

WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)  # the three channels of a prepared image
PSEUDONYM = re.compile(r"ID_[0-9a-f]{6,16}")  # as the competition gives them


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

    def number(self, value: str) -> int:
        """A number of 48 bits that is the same for the same identifier; 0 for none."""
        digest = hmac.new(self.key or b"", value.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
        return int.from_bytes(digest[:6]) if value else 0

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
            prepared.rejected.append(refused_row(file, refusal.code, refusal.message))
    return prepared


def prepare_file(file: SourceFile, images: Path, naming: Naming, *, repair: bool, jpeg_quality: int) -> dict[str, Any]:
    """Write one slice's image and return its row of the slice table."""
    image_id = naming.image_id(file)
    slice_ = read_slice(file.read(), repair_intercept=repair)
    image, statistics = window_image(slice_)
    return {
        "image_id": image_id,
        "path": file.label,
        "stamp": file.stamp,
        "image_crc32": store_image(image_path(images, image_id), encode_jpeg(image, jpeg_quality)),
        **_header_columns(slice_, str(PurePosixPath(file.name).parent), naming),
        **statistics,
    }


def window_image(slice_: DicomSlice) -> tuple[np.ndarray, dict[str, Any]]:
    """The three windows of a slice as (rows, columns, 4) uint8, and its crop box and HU statistics.

    The fourth channel is empty: three windows and it are one 32-bit word, which is looked up at once. The table of
    words never falls with the stored value, so the box is that of the values from the first word above 0 on. (The
    published system finds the box in the image as it comes back from JPEG, which ringing around the skull makes a few
    pixels larger.)
    """
    stored = slice_.stored  # int16 or uint16
    low, high = int(stored.min()), int(stored.max())
    hu = np.arange(low, high + 1) * slice_.slope + slice_.intercept  # (K,)
    table = np.zeros((2**16, 4), np.uint8)
    table[: len(hu), :3] = window_table(hu, WINDOWS)
    words = table.view(np.int32)[:, 0]
    level = (stored - stored.dtype.type(low)).view(np.uint16)  # from 0; the difference wraps, the view unwraps
    image = cv2.LUT(level, words).view(np.uint8).reshape(*stored.shape, 4)
    box = bounding_box(stored >= low + len(hu) - np.count_nonzero(words))
    return image, {**box._asdict(), **_statistics(slice_, low, hu)}


def _statistics(slice_: DicomSlice, low: int, hu: np.ndarray) -> dict[str, float]:
    """HU statistics, from sums of whole numbers. hu: (K,) of the stored values from the smallest, `low`, on."""
    stored = slice_.stored
    lower, upper = BRAIN.lower, BRAIN.lower + BRAIN.width
    first, last = low + int(np.searchsorted(hu, lower, "right")), low + int(np.searchsorted(hu, upper, "left")) - 1
    below, above = np.count_nonzero(stored < first), np.count_nonzero(stored > last)
    inside = stored.size - below - above  # pixels strictly between the limits
    brain_sum = lower * below + upper * above
    if inside:
        total = cv2.sumElems(np.clip(stored, first, last))[0] - below * first - above * last
        brain_sum += total * slice_.slope + inside * slice_.intercept
    brain_min, brain_max = np.clip(hu[[0, -1]], lower, upper).tolist()
    return {
        "hu_min": float(hu[0]),
        "hu_max": float(hu[-1]),
        "hu_mean": (cv2.sumElems(stored)[0] * slice_.slope + stored.size * slice_.intercept) / stored.size,
        "brain_min": brain_min,
        "brain_max": brain_max,
        "brain_mean": brain_sum / stored.size,
        "brain_diff": brain_max - brain_min,
        "brain_ratio": inside / stored.size,
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
        "sop_number": naming.number(slice_.sop_uid),
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
