"""Embeddings published in 2019, written as the stores of this project, in the row order of slices.parquet.

The published layout holds no last layer, so these stores have no logits and stage 15 no score of the classifier alone.
N slices, E embedding width.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from hounsfield.competitions.rsna2019.paths import sample_submission_path, slices_path
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA
from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.logs import logger, progress
from hounsfield.core.stages.outputs import Recipe, claim
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.files import file_digest, locked, write_json, written_whole
from hounsfield.core.storage.tables import to_arrow, write_table
from hounsfield.hemorrhage.config import View
from hounsfield.hemorrhage.embedding_archive import Subject
from hounsfield.hemorrhage.paths import ROWS_SCHEMA, array_path, store_folder
from hounsfield.hemorrhage.published_2019.layout import PublishedArray, PublishedStore

MAX_WIDTH = 65_536
ROWS_A_READ = 4096


def write_published_slices(subject: Subject, slices: pd.DataFrame, *, force: bool) -> None:
    """Write slices.parquet, unless the same rows are there. Raises StaleOutput when others are, unless `force`."""
    path, table = slices_path(subject.work, subject.data_set), to_arrow(slices, SLICE_SCHEMA)
    if path.exists():
        if pq.read_table(path).replace_schema_metadata(None).equals(table):
            return
        if not force:
            raise StaleOutput(
                f"{path} holds other slices; import into a data set of its own with --data_set NAME, or replace them "
                "by adding --force"
            )
        (path.parent / "prepared.json").unlink(missing_ok=True)  # the table is no longer the one that preparation wrote
        sample_submission_path(subject.work, subject.data_set).unlink(missing_ok=True)
    write_table(path, slices, SLICE_SCHEMA)


def write_published_store(
    subject: Subject, store: PublishedStore, images: pd.Series, dtype: str, *, force: bool
) -> None:
    """Write one store, or what a killed run left out of it. images: (N,) the column image_id of slices.parquet.

    Raises StaleOutput when the store there was made from other files, BadInput naming the array that is wrong.
    """
    folder = store_folder(subject.work, subject.data_set, subject.experiment, store.fold, store.epoch)
    slices_sha256 = file_digest(slices_path(subject.work, subject.data_set))
    with locked(folder):
        arrays = [array for view in store.views.values() for array in view]
        inputs = {"slices_sha256": slices_sha256}
        inputs |= {array.path.name: file_digest(array.path) for array in arrays}
        inputs |= {f"rows of {array.path.name}": file_digest(array.order) for array in arrays}
        claim(folder, Recipe("import-published", {"dtype": dtype}, inputs), force=force)
        name = f"fold {store.fold} epoch {store.epoch}"
        if (folder / "manifest.json").exists():
            logger.info("import-published: nothing to do for %s", name)
            return
        widths = {_write_view(folder, view, own, len(images), dtype, name) for view, own in store.views.items()}
        if len(widths) > 1:
            raise BadInput(f"{name}: the views have different widths {sorted(widths)}")
        identity = {"experiment": subject.experiment, "data_set": subject.data_set}
        origin = {"slices_sha256": slices_sha256, "weights_sha256": None, "fold": store.fold, "epoch": store.epoch}
        form = {"width": widths.pop(), "dtype": dtype, "views": list(store.views)}
        _finish(folder, images, {**identity, **origin, **form})
    logger.info("import-published: %s, %d slices, views %s", name, len(images), ", ".join(store.views))


def read_published_array(path: Path, rows: int, dtype: str) -> Iterator[tuple[int, np.ndarray]]:
    """The array `arr_0` of an npz, as (first row, block) with blocks (4096 or fewer, E) of `dtype`; memory stays flat.

    Raises BadInput when it is no (rows, E) array of finite floating-point numbers, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open("arr_0.npy") as file:
            (count, width), stored = _array_header(path, file)
            if count != rows:
                raise BadInput(f"{path} has {count} rows, and its row order {rows}")
            for start in range(0, rows, ROWS_A_READ):
                size = min(ROWS_A_READ, rows - start)
                block = np.frombuffer(file.read(size * width * stored.itemsize), stored).reshape(size, width)
                with np.errstate(over="ignore"):
                    block = block.astype(dtype)
                if not np.isfinite(block).all():
                    raise BadInput(f"{path}: from row {start} on, values that are no numbers or too large for {dtype}")
                yield start, block
            if file.read(1):  # at the end zipfile holds its checksum against all that was read
                raise BadInput(f"{path}: the array goes on behind its end")
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{path} is no readable npz with an array arr_0 ({error})") from error


def _array_header(path: Path, file: IO[bytes]) -> tuple[tuple[int, int], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, by_column, dtype = read(file)
    if len(shape) != 2 or by_column or dtype.kind != "f" or not 0 < shape[1] <= MAX_WIDTH:
        raise BadInput(f"{path}: {dtype} {shape}, expected floating-point numbers (N, E), stored row by row")
    return (shape[0], shape[1]), dtype


def _write_view(folder: Path, view: View, arrays: Sequence[PublishedArray], count: int, dtype: str, name: str) -> int:
    """Write one view's array, (N, E), block by block. Returns E."""
    path = array_path(folder, view)
    if not path.exists():
        with written_whole(path) as partial:
            placed: np.memmap | None = None
            for array in progress(arrays, unit="file", label=f"{name} {view}"):
                for start, block in read_published_array(array.path, len(array.rows), dtype):
                    if placed is None:
                        placed = np.lib.format.open_memmap(partial, "w+", dtype, (count, block.shape[1]))
                    if block.shape[1] != placed.shape[1]:
                        raise BadInput(f"{array.path} is {block.shape[1]} wide, and others are {placed.shape[1]}")
                    placed[array.rows[start : start + len(block)]] = block
            if placed is not None:
                placed.flush()
    return int(open_array(path).shape[1])


def _finish(folder: Path, images: pd.Series, facts: dict[str, Any]) -> None:
    """Write the order of rows, and then the manifest, which makes the store complete."""
    write_table(folder / "rows.parquet", images.to_frame("image_id"), ROWS_SCHEMA)
    files = [folder / "rows.parquet", *(array_path(folder, view) for view in facts["views"])]
    digests = {path.name: file_digest(path) for path in files}
    write_json(folder / "manifest.json", {**facts, "rows": len(images), "files": digests})
