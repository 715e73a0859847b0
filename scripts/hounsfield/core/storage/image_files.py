"""Prepared images on disk: where they lie, how they are written and read."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.files import unwritable_named

PNG_COMPRESSION = 3  # of 9; higher ones take twice the time for a few per cent


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
    for name, rows in zip(names, np.split(by_folder, starts)[1:], strict=True):
        there = _names(folder / str(name))
        exist[rows] = [f"{image_ids[row]}{suffix}" in there for row in rows]
    return exist


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except FileNotFoundError:
        return set()


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encode (rows, columns, 3) uint8. The channel order is handed to the codec as it is, and comes back the same.

    A fourth channel is left out; the codec skips it, which is faster than to copy the other three.
    """
    return _encoded(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_png(image: np.ndarray) -> bytes:
    """Encode (rows, columns) uint8 without loss. The same pixels give the same bytes."""
    return _encoded(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION])


def _encoded(suffix: str, image: np.ndarray, settings: Sequence[int]) -> bytes:
    done, encoded = cv2.imencode(suffix, image, settings)
    if not done:
        raise BadInput(f"an image of shape {image.shape} could not be encoded as {suffix[1:].upper()}")
    return encoded.tobytes()


def store_image(path: Path, encoded: bytes) -> int:
    """Write a prepared image, and return its CRC-32.

    It is not flushed to disk, as a million of them would be one by one: its record is written after it.
    """
    partial = path.with_suffix(".partial")
    with unwritable_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(encoded)
        partial.replace(path)
    return zlib.crc32(encoded)


def read_image(path: Path, checksum: int | None = None, *, remedy: str = "prepare the data set again") -> np.ndarray:
    """Read a prepared image as (rows, columns, 3) uint8. Raises MissingInput or BadInput, naming the file.

    checksum: the CRC-32 that its file must have; other bytes are refused. remedy: the command that makes it.
    """
    return _read(path, cv2.IMREAD_COLOR, checksum, remedy)


def read_grey(path: Path, checksum: int | None = None, *, remedy: str = "prepare the data set again") -> np.ndarray:
    """Read a prepared grey image as (rows, columns) uint8; as `read_image` does."""
    return _read(path, cv2.IMREAD_GRAYSCALE, checksum, remedy)


def _read(path: Path, colours: int, checksum: int | None, remedy: str) -> np.ndarray:
    try:
        encoded = path.read_bytes()
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing; make it with: {remedy}") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); see to its disk, and start again") from error
    intact = bool(encoded) and (checksum is None or zlib.crc32(encoded) == checksum)
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), colours) if intact else None
    if image is None:
        raise BadInput(f"{path} is not the image that was written; remove it and make it again: {remedy}")
    return image
