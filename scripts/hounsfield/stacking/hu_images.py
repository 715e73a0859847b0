"""Slices in Hounsfield units, whole numbers within what the three windows show, kept without loss as JPEG-LS.

The windows of this system are applied when a slice is loaded: the crop and the rotation between them and the noise do
not commute with clipping. Between them they show -150 to 230 HU, 381 values, so nine bits a pixel hold all of it.

Storage, measured on 512 x 512 slices that show brain, one core (real head, noisy: 28 of a GE; the drawn phantoms):

| as | KiB a slice | ms to encode | ms to decode |
| --- | --- | --- | --- |
| JPEG-LS, 9 bits | 44, 37 | 2.7, 2.5 | 1.6, 1.4 |
| PNG, 16 bits, level 1, best strategy (runs) | 72, 60 | 5.1, 5.0 | 2.4, 2.1 |
| PNG, 16 bits, level 6 | 74, 61 | 17.7, 17.6 | 2.1, 1.8 |
| PNG, two planes of 8 bits, level 1 | 71, 60 | 5.0, 4.7 | 1.7, 1.5 |
| deflate, level 1 | 95, 76 | 2.4, 2.1 | 0.8, 0.8 |
| int16 as it is | 512 | 0.1 | 0.0 |

JPEG-LS is the smallest and among the fastest: 750,000 slices are 33 GB, which a node's memory can cache, and reading
one from there takes less time than its augmentation.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import jpeg_ls
import numpy as np

from hounsfield.core.dicom.reader import DicomSlice
from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.core.imaging.windows import BRAIN, SOFT_TISSUE, SUBDURAL
from hounsfield.core.storage.image_files import image_path

HU_WINDOWS = (BRAIN, SUBDURAL, SOFT_TISSUE)  # applied when a slice is loaded, by images.py
LOWEST = int(min(window.lower for window in HU_WINDOWS))  # HU
HIGHEST = int(max(window.upper for window in HU_WINDOWS))  # HU
BITS = (HIGHEST - LOWEST).bit_length()
SUFFIX = ".jls"
BYTES_PER_PIXEL = 0.2  # to estimate the disk that is needed; real heads of noisy scanners took 0.17


def hu_path(folder: Path, image_id: str) -> Path:
    """Where one slice lies; written by stage 41, read by stages 42 and 43."""
    return image_path(folder, image_id, SUFFIX)


def hu_of(slice_: DicomSlice) -> np.ndarray:
    """A slice's Hounsfield units, rounded and clipped to what the windows show: (rows, columns) int16."""
    hu = slice_.stored * slice_.slope + slice_.intercept
    return np.rint(hu.clip(LOWEST, HIGHEST)).astype(np.int16)


def encode_hu(hu: np.ndarray) -> bytes:
    """Encode (rows, columns) int16 from LOWEST to HIGHEST, without loss.

    Raises Refused where that would take more than two bytes a pixel, as of a picture of a few pixels.
    """
    levels = (hu - np.int16(LOWEST)).astype(np.uint16)
    try:
        return bytes(jpeg_ls.encode_buffer(levels.tobytes(), *levels.shape, 1, BITS))
    except RuntimeError as error:  # the library's buffer is of the size of the pixels
        size = f"{hu.shape[0]} x {hu.shape[1]}"
        raise Refused("incompressible", f"a picture of {size} pixels that JPEG-LS makes larger, not smaller") from error


def read_hu(path: Path, checksum: int, *, remedy: str) -> np.ndarray:
    """Read one slice as (rows, columns) int16 HU. Raises MissingInput or BadInput, naming the file.

    checksum: the CRC-32 that its file must have. Other bytes are refused, so what reaches the decoder is what the
    encoder made. remedy: the command that stores the images.
    """
    try:
        encoded = path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing; make it with: {remedy}") from None
    if zlib.crc32(encoded) != checksum:
        raise BadInput(f"{path} is not the image that was written; remove it and run: {remedy}")
    levels, form = jpeg_ls.decode_buffer(encoded)
    return np.frombuffer(levels, np.uint16).reshape(form["height"], form["width"]).astype(np.int16) + np.int16(LOWEST)
