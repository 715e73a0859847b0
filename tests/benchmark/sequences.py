"""Sequence batches a second at full size, against the published data set and collate function.

The arrays are sparse files of full size: only the series that are measured hold values and take room on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmark.measurements import Line, fastest, one_thread
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training.draws import epoch_order
from hounsfield.hemorrhage.paths import array_path
from hounsfield.hemorrhage.sequence_batches import (
    EmbeddingStore,
    SequenceBatch,
    SeriesIndex,
    build_batch,
    index_series,
    training_batches,
)
from hounsfield.hemorrhage.sequence_network import with_deltas
from reference.published_batches import PublishedBatches

SHORTEST, LONGEST = 24, 60  # slices of a series
SERIES_A_BATCH = 4
UNIT = "batches/s"


class SequenceCase(NamedTuple):
    """The same series twice: in a store as stage 13 leaves it, and as the published files hold them."""

    store: EmbeddingStore
    series: SeriesIndex
    labels: np.ndarray  # (N, 6) float32
    batches: list[np.ndarray]  # those that are measured
    table: pd.DataFrame  # published: sorted by image, so a series' rows are scattered
    array: np.ndarray  # (N, E) float32, in the table's order


def series_lengths(slices: int, series: int, rng: np.random.Generator) -> np.ndarray:
    """Lengths of 24 to 60 that sum up to `slices`, (series,) int64."""
    if not SHORTEST * series <= slices <= LONGEST * series:
        raise ValueError(f"{slices} slices are no {series} series of {SHORTEST} to {LONGEST}")
    lengths = rng.integers(SHORTEST, LONGEST + 1, series)
    while excess := int(lengths.sum()) - slices:
        free = np.flatnonzero(lengths != (SHORTEST if excess > 0 else LONGEST))
        lengths[rng.choice(free, min(abs(excess), len(free)), replace=False)] -= np.sign(excess)
    return lengths


def make_case(folder: Path, *, slices: int, series: int, width: int, batches: int) -> SequenceCase:
    """Write the store and the published files with `slices` rows, of which the first `batches` batches hold values."""
    rng = np.random.default_rng(0)
    lengths = series_lengths(slices, series, rng)
    names = np.char.mod("ID_%09x", rng.permutation(slices)).astype(object)
    frame = pd.DataFrame({"image_id": names, "series": np.repeat(np.arange(series), lengths), "split": "train"})
    index = index_series(frame)
    chosen = training_batches(index.lengths, SERIES_A_BATCH, epoch_order(0, 0, series))[:batches]
    labels = rng.integers(0, 2, (slices, len(CLASSES))).astype(np.float32)
    table = frame.assign(key=[f"ID_{number:09x}" for number in frame["series"]], seq=frame.groupby("series").cumcount())
    table[list(CLASSES)] = labels
    by_image = np.argsort(names, kind="stable")
    half, single = _write_arrays(folder, index, chosen, by_image, width)
    del half
    store = EmbeddingStore([open_array(array_path(folder, "identity"))])
    return SequenceCase(store, index, labels, chosen, table.iloc[by_image].reset_index(drop=True), single)


def sequence_lines(folder: Path, *, slices: int, series: int, width: int, batches: int, repeats: int) -> list[Line]:
    """Measure in `folder`."""
    case = make_case(folder, slices=slices, series=series, width=width, batches=batches)
    keys = [[f"ID_{number:09x}" for number in batch] for batch in case.batches]
    few = keys[: max(1, batches // 10)]
    published = PublishedBatches(case.table, case.array)
    sorted_rows = np.argsort(case.table["key"].to_numpy(), kind="stable")
    kinder = PublishedBatches(case.table.iloc[sorted_rows], case.array)
    published.batch(keys[0])  # pandas builds its look-up at the first question
    kinder.batch(keys[0])
    with one_thread():
        ours, whole, plain, kind = fastest(
            [
                lambda: [_build(case, batch) for batch in case.batches],
                lambda: [with_deltas(*_build(case, batch)[:2]) for batch in case.batches],
                lambda: [published.batch(batch) for batch in few],
                lambda: [kinder.batch(batch) for batch in few],
            ],
            repeats,
        )
    size = f"{SERIES_A_BATCH} series, E {width}, {slices} slices in {series} series"
    rate, reference = len(keys) / ours, len(few) / plain
    return [
        Line(what="sequence batches", measured=rate, unit=UNIT, reference=reference, at_least=40,
             note=f"{size}; sparse files, values in the series measured, all in the page cache; the published table "
             "is sorted by image; one thread; ours leaves the deltas to the network, on its device"),
        Line(what="sequence batches, deltas included", measured=len(keys) / whole, unit=UNIT, reference=reference),
        Line(what="sequence batches, against a published table sorted by series", measured=rate, unit=UNIT,
             reference=len(few) / kind),
    ]  # fmt: skip


def _build(case: SequenceCase, batch: np.ndarray) -> SequenceBatch:
    return build_batch(case.store, case.series, batch, case.labels, pad_front=False)


def _write_arrays(
    folder: Path, index: SeriesIndex, chosen: list[np.ndarray], by_image: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The store's float16 array in the order of series, and the published float32 one in the order of images."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = int(index.lengths.sum())
    shape, create = (rows, width), np.lib.format.open_memmap
    half = create(array_path(folder, "identity"), mode="w+", dtype=np.float16, shape=shape)
    single = create(folder / "published.npy", mode="w+", dtype=np.float32, shape=shape)
    place = np.empty(rows, np.int64)
    place[by_image] = np.arange(rows)
    rng = np.random.default_rng(1)
    for number in np.concatenate(chosen):
        start, length = index.starts[number], index.lengths[number]
        values = rng.normal(size=(length, width)).astype(np.float16)
        half[start : start + length] = values
        single[place[start : start + length]] = values
    half.flush()
    return half, np.asarray(single)
