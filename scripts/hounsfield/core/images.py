"""Prepared images: where they lie, how they are written and read, and the box that holds the head."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.files import unwritable_named


class Box(NamedTuple):
    """A rectangle of pixels, half-open: columns x0 to x1, rows y0 to y1."""

    x0: int
    y0: int
    x1: int
    y1: int


def image_path(folder: Path, image_id: str, suffix: str = ".jpg") -> Path:
    """Where the prepared image of one slice lies; written by preparation, read by training and extraction.

    The two-digit folder spreads a million files over 256 folders.
    """
    return folder / _subfolder(image_id) / f"{image_id}{suffix}"


def _subfolder(image_id: str) -> str:
    return hashlib.sha256(image_id.encode()).hexdigest()[:2]


def images_exist(folder: Path, image_ids: Sequence[str], suffix: str = ".jpg") -> np.ndarray:
    """True for the slices whose prepared image lies in `folder`, (N,) bool.

    Each of the 256 folders is listed once: asking for a million files one by one takes minutes on a network drive.
    """
    below = np.array([_subfolder(image_id) for image_id in image_ids], "U2")
    by_folder = np.argsort(below, kind="stable")
    names, starts = np.unique(below[by_folder], return_index=True)
    exist = np.zeros(len(below), bool)
    for name, rows in zip(names, np.split(by_folder, starts[1:]), strict=True):
        there = _names(folder / str(name))
        exist[rows] = [f"{image_ids[row]}{suffix}" in there for row in rows]
    return exist


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except FileNotFoundError:
        return set()


def bounding_box(shown: np.ndarray) -> Box:
    """The smallest box around the non-zero pixels. shown: (rows, columns) bool. All False: the whole image."""
    x, y, width, height = cv2.boundingRect(shown.view(np.uint8))
    return Box(x, y, x + width, y + height) if width else Box(0, 0, shown.shape[1], shown.shape[0])


def box_of_shown(image: np.ndarray) -> Box:
    """The smallest box around what is not black in every channel. image: (rows, columns, 3) uint8."""
    # a maximum over the last dimension takes many times as long
    return bounding_box((image[..., 0] | image[..., 1] | image[..., 2]) > 0)


def crop_to_square(image: np.ndarray, box: Box) -> np.ndarray:
    """Cut `box` out and place it at the top-left corner of a black square of its longer side.

    image: (rows, columns, channels) uint8. Returns (side, side, channels) uint8.
    """
    cut = image[box.y0 : box.y1, box.x0 : box.x1]
    side = max(cut.shape[:2])
    square = np.zeros((side, side, image.shape[2]), image.dtype)
    square[: cut.shape[0], : cut.shape[1]] = cut
    return square


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize (rows, columns, channels) uint8 to (size, size, channels), bilinear."""
    return image if image.shape[:2] == (size, size) else cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encode (rows, columns, 3) uint8. The channel order is handed to the codec as it is, and comes back the same.

    A fourth channel is left out; the codec skips it, which is faster than to copy the other three.
    """
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise BadInput(f"an image of shape {image.shape} could not be encoded as JPEG")
    return encoded.tobytes()


def store_image(path: Path, encoded: bytes) -> int:
    """Write a prepared image, and return its CRC-32.

    It is not flushed to disk, as a million of them would be one by one: whatever vouches for it is written after it.
    """
    partial = path.with_suffix(".partial")
    with unwritable_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(encoded)
        partial.replace(path)
    return zlib.crc32(encoded)


def read_image(path: Path, checksum: int | None = None) -> np.ndarray:
    """Read a prepared image as (rows, columns, 3) uint8. Raises MissingInput or BadInput, naming the file.

    checksum: the CRC-32 that its file must have; other bytes are refused.
    """
    try:
        encoded = path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing; make it with: sh bin/run_01_prepare_data.sh") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); see to its disk, and start again") from error
    intact = bool(encoded) and (checksum is None or zlib.crc32(encoded) == checksum)
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if intact else None
    if image is None:
        raise BadInput(f"{path} is not the image that was written; remove it and run: sh bin/run_01_prepare_data.sh")
    return image
