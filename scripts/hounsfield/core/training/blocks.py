"""Predictions that several processes share out: large arrays written block by block, and small ones kept in memory.

While a large array is being made its blocks lie in `unfinished/<name>/` beside it, one file each, written whole; so any
number of processes can share the work, and a killed run goes on with the blocks that are missing. The finished array is
one `.npy` file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hounsfield.core.logs import need_space, progress
from hounsfield.core.stages.outputs import UNFINISHED
from hounsfield.core.storage.arrays import open_array, write_array
from hounsfield.core.storage.files import atomic_write
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches
from hounsfield.core.training.stops import Stopped, StopRequest

# the row numbers of all batches to be computed -> of each batch in turn, its rows of every array
Compute = Callable[[Sequence[np.ndarray]], Iterator[Sequence[np.ndarray]]]


def fill_arrays(
    paths: Sequence[Path], rows: int, compute: Compute, devices: Devices, *, batch_size: int, block_batches: int
) -> None:
    """Write arrays of `rows` rows, all computed at once: the blocks that are missing, then the whole files.

    Batches are cut by row number, so a row is always computed among the same others, whatever the number of processes.
    A block is written when it is computed for all arrays. block_batches: batches in a block.
    """
    starts = range(0, rows, batch_size * block_batches)
    own = starts[devices.rank :: devices.world]
    todo = [start for start in own if not all(has_block(path, start) for path in paths)]
    blocks = [batches(np.arange(start, min(start + starts.step, rows)), batch_size) for start in todo]
    computed = compute([batch for block in blocks for batch in block])
    for start, block in progress(list(zip(todo, blocks, strict=True)), unit="block", label="predict"):
        parts = [next(computed) for _ in block]
        if start == todo[0] and devices.first:
            row = sum(values[:1].nbytes for values in parts[0])  # bytes, of all arrays
            left = row * rows * 2  # blocks, and the arrays that are made of them
            need_space("predict", left, paths[0].parent, what=f"{rows} rows in {len(paths)} arrays")
        for path, values in zip(paths, zip(*parts, strict=True), strict=True):
            write_block(path, start, np.concatenate(values))
    devices.barrier()
    if devices.first:
        for path in paths:
            join_blocks(path, starts, rows)
    devices.barrier()


def share_rows(
    parts: Iterable[tuple[np.ndarray | Tensor, Tensor]], shape: Sequence[int], devices: Devices, stop: StopRequest
) -> np.ndarray:
    """An array whose rows the processes share out: (rows, ...) float64, the same in all; zero where nobody has a row.

    parts: this process's row numbers and their values, computed as they are asked for. Each process adds its rows to
    zeros, and these are summed. Raises Stopped in all processes when one was asked to stop.
    """
    found = torch.zeros(tuple(shape), dtype=torch.float64)
    for rows, values in parts:
        if stop.received:
            break
        found[rows] = values.double().cpu()
    if devices.total(torch.tensor(float(stop.received), device=devices.device)).item():
        raise Stopped
    return devices.total(found.to(devices.device)).cpu().numpy()


def _blocks(path: Path) -> Path:
    return path.parent / UNFINISHED / path.stem


def _block_path(path: Path, start: int) -> Path:
    return _blocks(path) / f"{start:09d}.npy"


def write_block(path: Path, start: int, rows: np.ndarray) -> None:
    """Write the rows from `start` on of the array that will be `path`."""
    write_array(_block_path(path, start), rows)


def has_block(path: Path, start: int) -> bool:
    """True when the block that begins at row `start` is written, or the whole array is."""
    return path.exists() or _block_path(path, start).exists()


def join_blocks(path: Path, starts: range, rows: int) -> None:
    """Join the blocks into the finished array of `rows` rows and remove them. Does nothing when it is finished."""
    if path.exists():
        shutil.rmtree(_blocks(path), ignore_errors=True)
        return
    first = open_array(_block_path(path, starts.start))
    header = np.lib.format.header_data_from_array_1_0(first) | {"shape": (rows, *first.shape[1:])}
    # written, and not through a memory map: on a full disk that ends the process (SIGBUS) without a word
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in starts:
            file.write(np.ascontiguousarray(open_array(_block_path(path, start))).data)
    shutil.rmtree(_blocks(path))
