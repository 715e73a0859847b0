"""Arrays on disk: written whole, read by memory map."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.logs import logger
from hounsfield.core.storage.files import atomic_write, content_number

NO_SHARED_MAPS = {errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}
_warned: set[int] = set()  # file systems, by number


def write_array(path: Path, array: np.ndarray) -> None:
    """Write one array to `path`, whole or not at all."""
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def array_number(array: np.ndarray) -> int:
    """63 bits of the digest of an array's type, shape and values: equal arrays have equal numbers."""
    return content_number(np.ascontiguousarray(array).data, array_form(array.dtype, array.shape))


def array_form(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """What stands before an array's values in the digest of `array_number`."""
    return f"{dtype.str}{shape}".encode()


def open_array(path: Path, *, remedy: str = "") -> np.ndarray:
    """Open an array by read-only memory map. Raises MissingInput or BadInput, naming the file."""
    try:
        return _mapped(path)
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing{'; make it with: ' + remedy if remedy else ''}") from None
    except (ValueError, EOFError, OSError) as error:
        raise BadInput(
            f"{path} is not a readable array ({error}); remove it and make it again{remedy and f': {remedy}'}"
        ) from error


def _mapped(path: Path) -> np.ndarray:
    """The array by memory map; privately, or read, where the file system cannot share one."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        if error.errno not in NO_SHARED_MAPS:
            raise
    device = path.stat().st_dev
    if device not in _warned:
        _warned.add(device)
        logger.warning("%s: its file system cannot share memory maps; arrays there are mapped privately", path)
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        if error.errno not in NO_SHARED_MAPS:
            raise
        array = np.load(path, allow_pickle=False)
    array.flags.writeable = False
    return array


def read_row(path: Path, row: int, *, remedy: str = "") -> np.ndarray:
    """One row of an array, copied: unlike what is read through a lasting memory map, it can be given back."""
    return np.array(open_array(path, remedy=remedy)[row])
