"""Large arrays written block by block by several processes.

While an array is being made its blocks lie in `<name>.blocks/`, one file each, written whole; so any number of
processes can share the work, and a killed run goes on with the blocks that are missing. The finished array is one
`.npy` file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from hounsfield.core.storage.arrays import open_array, write_array
from hounsfield.core.storage.files import written_whole


def _block_path(path: Path, start: int) -> Path:
    return path.with_suffix(".blocks") / f"{start:09d}.npy"


def write_block(path: Path, start: int, rows: np.ndarray) -> None:
    """Write the rows from `start` on of the array that will be `path`."""
    write_array(_block_path(path, start), rows)


def has_block(path: Path, start: int) -> bool:
    """True when the block that begins at row `start` is written, or the whole array is."""
    return path.exists() or _block_path(path, start).exists()


def join_blocks(path: Path, starts: range, rows: int) -> None:
    """Join the blocks into the finished array of `rows` rows and remove them. Does nothing when it is finished."""
    if path.exists():
        shutil.rmtree(path.with_suffix(".blocks"), ignore_errors=True)
        return
    first = open_array(_block_path(path, starts.start))
    header = np.lib.format.header_data_from_array_1_0(first) | {"shape": (rows, *first.shape[1:])}
    # written, and not through a memory map: on a full disk that ends the process (SIGBUS) without a word
    with written_whole(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in starts:
            file.write(np.ascontiguousarray(open_array(_block_path(path, start))).data)
    shutil.rmtree(path.with_suffix(".blocks"))
