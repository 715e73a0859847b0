"""One pass over a DICOM file: header, pixels, statistics, windows, crop box, JPEG (RSNA 2019, 2nd place, section 1)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.imaging.boxes import bounding_box
from hounsfield.core.imaging.windows import BRAIN, SOFT_TISSUE, SUBDURAL, window_table
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.intake.slice_rows import slice_row
from hounsfield.core.storage.arrays import array_number
from hounsfield.core.storage.image_files import encode_jpeg, image_path, store_image

IMAGE_WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)  # the three channels of a prepared image


def prepare_file(
    file: SourceFile, content: bytes, *, images: Path, naming: Naming, repair_intercept: bool, jpeg_quality: int
) -> dict[str, Any]:
    """Write one slice's image below `images` and return its row (FILE_SCHEMA). Raises Refused."""
    image_id = naming.image_id(file)
    slice_ = read_slice(content, repair_intercept=repair_intercept)
    image, statistics = window_image(slice_)
    return {
        "image_id": image_id,
        "image_crc32": store_image(image_path(images, image_id), encode_jpeg(image, jpeg_quality)),
        **_header_columns(slice_, str(PurePosixPath(file.path).parent), naming),
        **statistics,
        "pixel_number": array_number(slice_.stored),
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
    table[: len(hu), :3] = window_table(hu, IMAGE_WINDOWS)
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
    """A slice's header facts under the table's names."""
    return {
        **slice_row(slice_, folder, naming),
        "bits_stored": slice_.bits_stored,
        "pixel_representation": slice_.pixel_representation,
        "rescale_slope": slice_.slope,
        "rescale_intercept": slice_.intercept,
        "intercept_repaired": slice_.intercept_repaired,
        "window_center": slice_.window_center,
        "window_width": slice_.window_width,
        "body_part": slice_.body_part,
    }
