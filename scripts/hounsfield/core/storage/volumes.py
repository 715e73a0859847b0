"""Series of slices as volumes of Hounsfield units on disk: written slice by slice, read by memory map."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hounsfield.core.errors import BadInput
from hounsfield.core.storage.arrays import array_form, open_array
from hounsfield.core.storage.files import atomic_write, digest_number

HU = np.dtype("<i2")


def write_volume(path: Path, slices: Iterable[np.ndarray], shape: tuple[int, ...]) -> int:
    """Write a volume as .npy, whole or not at all; one slice is in memory at a time. Returns its `array_number`.

    slices: (rows, columns) int16 each, from head to feet; an array (slices, rows, columns), or what yields them.
    shape: of the volume. Raises BadInput when the slices are others than `shape` says.
    """
    count, digest = 0, hashlib.sha256(array_form(HU, shape))
    with atomic_write(path) as partial:
        with partial.open("wb") as file:
            file.write(_header(shape))
            for count, one in enumerate(slices, 1):
                if one.shape != shape[1:] or one.dtype != HU:
                    raise BadInput(f"{path}: slice {count - 1} is {one.shape} {one.dtype}, not {shape[1:]} {HU}")
                content = np.ascontiguousarray(one, HU).data
                digest.update(content)
                file.write(content)
        if count != shape[0]:
            raise BadInput(f"{path}: {count} slices, not {shape[0]}")
    return digest_number(digest)


def volume_whole(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether a volume of this shape lies at `path` in its full length. Its values are not read: they are gigabytes."""
    try:
        return path.stat().st_size == len(_header(shape)) + math.prod(shape) * HU.itemsize
    except FileNotFoundError:
        return False


def _header(shape: tuple[int, ...]) -> bytes:
    """What stands before the values of a volume's file."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": HU.str, "fortran_order": False, "shape": shape})
    return header.getvalue()


def open_volume(path: Path, *, remedy: str = "") -> np.ndarray:
    """A volume by read-only memory map, (slices, rows, columns) int16. Raises MissingInput or BadInput."""
    volume = open_array(path, remedy=remedy)
    if volume.ndim != 3 or volume.dtype != HU:
        raise BadInput(
            f"{path} holds {volume.shape} {volume.dtype}, no volume; make it again{remedy and f': {remedy}'}"
        )
    return volume
