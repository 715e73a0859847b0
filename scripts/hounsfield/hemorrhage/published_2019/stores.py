"""Embeddings published in 2019, written as the stores of this project, in the row order of slices.parquet.

The published layout holds no last layer, so these stores have no logits and stage 15 no score of the classifier alone.
N slices, E embedding width.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.config import PrepareConfig
from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA
from hounsfield.core.errors import BadInput
from hounsfield.core.logs import logger, progress
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Provenance, output
from hounsfield.core.stages.upstream import Upstream, replacing, require
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import atomic_write, file_digest
from hounsfield.core.storage.tables import write_table
from hounsfield.hemorrhage.archive_checks import Subject
from hounsfield.hemorrhage.config import View
from hounsfield.hemorrhage.paths import IMPORT, ROWS, ROWS_SCHEMA, array_path, store_folder
from hounsfield.hemorrhage.published_2019.layout import PublishedArray, PublishedStore
from hounsfield.hemorrhage.published_2019.table_names import TABLE_NAMES
from hounsfield.hemorrhage.published_2019.tables import PublishedTables

MAX_WIDTH = 65_536
ROWS_A_READ = 4096


def write_published_slices(
    subject: Subject,
    tables: PublishedTables,
    slices: pd.DataFrame,
    config: PrepareConfig,
    source: Path,
    *,
    force: bool,
    remedy: str,
) -> Upstream:
    """Write the data set, unless it is there. Raises StaleOutput when another one is, unless `force`."""
    settings = {name: getattr(config, name) for name in ("order", "fold_count")}
    inputs = {name: Input(file_digest(path)) for name, path in zip(TABLE_NAMES, tables, strict=True)}
    folder = subject.folder
    with (
        replacing(subject.work, folder, what=f"the data set {subject.data_set}"),
        output(folder, Provenance(IMPORT, settings, inputs), force=force, remedy=remedy) as out,
    ):
        if not out.finished:
            sample_submission_path(subject.work, subject.data_set).unlink(missing_ok=True)
            write_table(folder / SLICES, slices, SLICE_SCHEMA)
            out.finish([SLICES], facts={"arguments": [str(source.absolute())]})
    return require(subject.work, folder, IMPORT, lambda *_: remedy)


def write_published_store(
    subject: Subject,
    data: Upstream,
    store: PublishedStore,
    slices: pd.DataFrame,
    dtype: str,
    *,
    force: bool,
    remedy: str,
) -> None:
    """Write one store, or what a killed run left out of it.

    Raises StaleOutput when the store there was made from other files, BadInput naming the array that is wrong.
    """
    folder = store_folder(subject.work, subject.data_set, subject.experiment, store.fold, store.epoch)
    arrays = [array for view in store.views.values() for array in view]
    inputs = {array.path.name: Input(file_digest(array.path)) for array in arrays}
    inputs |= {f"rows of {array.path.name}": Input(file_digest(array.order)) for array in arrays}
    settings = {"dtype": dtype, "fold": store.fold, "epoch": store.epoch}
    provenance = Provenance(IMPORT, settings, {"data set": data.as_input(), **inputs})
    name = f"fold {store.fold} epoch {store.epoch}"
    with output(folder, provenance, force=force, remedy=remedy) as out:
        if out.finished:
            logger.info("import: nothing to do for %s", name)
            return
        widths = {_write_view(folder, view, own, len(slices), dtype, name) for view, own in store.views.items()}
        if len(widths) > 1:
            raise BadInput(f"{name}: the views have different widths {sorted(widths)}")
        write_table(folder / ROWS, slices, ROWS_SCHEMA)
        facts = {"rows": len(slices), "width": widths.pop(), "dtype": dtype, "views": list(store.views)}
        facts["arguments"] = data.record["facts"]["arguments"]
        files = [ROWS, *(array_path(folder, view).name for view in store.views)]
        out.finish(files, learned=learned_by_classifier(subject, store, slices), facts=facts)
    logger.info("import: %s, %d slices, views %s", name, len(slices), ", ".join(store.views))


def learned_by_classifier(subject: Subject, store: PublishedStore, slices: pd.DataFrame) -> Ledger:
    """The patients of the published training rows: the classifier behind the embeddings has learnt from them."""
    rows = np.concatenate([array.rows for view in store.views.values() for array in view if array.trained])
    return Ledger.of(subject.data_set, slices["patient_id"].to_numpy()[np.unique(rows)], role="upstream")


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
        with atomic_write(path) as partial:
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
