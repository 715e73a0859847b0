"""Batches of series for the sequence network, cut from the embeddings' memory map.

B series, T slices of the longest, E embedding width, N slices in all, C classes. Rows of a series
stand together in the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hounsfield.core.errors import BadInput
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.tables import read_table
from hounsfield.hemorrhage.paths import ROWS, ROWS_SCHEMA, array_path

BATCHES_A_BUCKET = 64


class SequenceBatch(NamedTuple):
    """Series of one batch, padded with zero vectors to the longest."""

    embeddings: Tensor  # (B, T, E) float32
    is_slice: Tensor  # (B, T) bool, False on padding
    labels: Tensor  # (B, T, C) float32; 0 on padding, NaN where unknown
    rows: Tensor  # (B, T) int64, row in the store; -1 on padding

    def to(self, device: torch.device) -> SequenceBatch:
        """The same batch on a device; the rows stay where they are."""
        return SequenceBatch(
            self.embeddings.to(device, non_blocking=True),
            self.is_slice.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
            self.rows,
        )


class SeriesIndex(NamedTuple):
    """Where each series lies in the store."""

    starts: np.ndarray  # (number of series,) int64, first row
    lengths: np.ndarray  # (number of series,) int64, slices

    def only(self, chosen: np.ndarray) -> SeriesIndex:
        """The series for which `chosen` is True."""
        return SeriesIndex(self.starts[chosen], self.lengths[chosen])

    def counts_of(self, rows: np.ndarray) -> np.ndarray:
        """How many rows of each series are True, (number of series,). rows: (N,) bool, of the store."""
        until = np.append(0, np.cumsum(rows))
        return until[self.starts + self.lengths] - until[self.starts]

    def any(self, rows: np.ndarray) -> np.ndarray:
        """Which series have a row that is True, (number of series,) bool. rows: (N,) bool, of the store."""
        return self.counts_of(rows) > 0


def index_series(slices: pd.DataFrame) -> SeriesIndex:
    """Find the runs of rows that belong to one series of one split. Raises BadInput when a series is not together."""
    split = (slices["split"] != "test").to_numpy()  # unlabelled slices stand where they lie in their series
    series = slices["series"].to_numpy()
    first = np.ones(len(slices), bool)
    first[1:] = (series[1:] != series[:-1]) | (split[1:] != split[:-1])
    starts = np.flatnonzero(first)
    if len(np.unique(np.stack([series[starts], split[starts]]), axis=1).T) != len(starts):
        raise BadInput(
            "the data set's slices.parquet: the rows of a series do not stand together; prepare the data again"
        )
    return SeriesIndex(starts, np.diff(starts, append=len(slices)))


class EmbeddingStore:
    """The embeddings of all slices by one checkpoint; views are averaged as they are read."""

    def __init__(self, views: Sequence[np.ndarray]) -> None:
        """views: (N, E) each."""
        self._views = views

    @property
    def width(self) -> int:
        """E."""
        return int(self._views[0].shape[1])

    @property
    def views(self) -> int:
        """How many views are averaged."""
        return len(self._views)

    def first_view(self) -> EmbeddingStore:
        """The same store, of which the first view alone is read."""
        return EmbeddingStore(self._views[:1])

    def read(self, start: int, length: int, out: np.ndarray) -> None:
        """Write the mean over views of `length` rows from `start` on into `out`, (length, E) float32."""
        np.copyto(out, self._views[0][start : start + length])
        for view in self._views[1:]:
            out += view[start : start + length]
        if len(self._views) > 1:
            out /= len(self._views)


def open_store(embeddings: Upstream, images: pd.Series) -> EmbeddingStore:
    """Open finished embeddings and hold them against the table of slices. images: (N,) its image_id.

    Raises MissingInput or BadInput naming the file.
    """
    rows = read_table(embeddings.file(ROWS), ROWS_SCHEMA, remedy=embeddings.remedy)
    remedy = f"make it anew: {embeddings.remedy} --force"
    if not np.array_equal(rows["image_id"].to_numpy(), images.to_numpy()):
        raise BadInput(f"{embeddings.folder / ROWS}: its rows are not those of its data set's slices.parquet; {remedy}")
    facts, views = embeddings.record["facts"], []
    for view in facts["views"]:
        path = embeddings.file(array_path(embeddings.folder, view).name)
        views.append(open_array(path, remedy=embeddings.remedy))
        if views[-1].shape != (len(images), facts["width"]):
            raise BadInput(f"{path}: shape {views[-1].shape}, expected {(len(images), facts['width'])}; {remedy}")
    return EmbeddingStore(views)


def build_batch(
    store: EmbeddingStore,
    index: SeriesIndex,
    series: np.ndarray,
    labels: np.ndarray,
    *,
    pad_front: bool,
    longest: int | None = None,
) -> SequenceBatch:
    """Assemble one batch. series: positions in `index`. labels: (N, C) float32. pad_front: as published.

    longest: slices to pad to, where these series are one process's share of a batch; None: their own longest.
    """
    lengths = index.lengths[series]
    longest = int(lengths.max()) if longest is None else longest
    embeddings = np.zeros((len(series), longest, store.width), np.float32)
    rows = np.full((len(series), longest), -1, np.int64)
    padded = np.zeros((len(series), longest, labels.shape[1]), np.float32)
    for place, (start, length) in enumerate(zip(index.starts[series], lengths, strict=True)):
        steps = slice(longest - length, longest) if pad_front else slice(0, length)
        store.read(start, length, embeddings[place, steps])
        rows[place, steps] = np.arange(start, start + length)
        padded[place, steps] = labels[start : start + length]
    return SequenceBatch(
        torch.from_numpy(embeddings), torch.from_numpy(rows >= 0), torch.from_numpy(padded), torch.from_numpy(rows)
    )


def training_batches(lengths: np.ndarray, batch_size: int, order: np.ndarray) -> list[np.ndarray]:
    """Batches of series of similar length, so that little is padded.

    order: a permutation of the series. Series are sorted by length within buckets of 64 batches and the batches are
    then taken in the order of their first member in `order`, so both depend on it alone.
    """
    found = []
    for start in range(0, len(order), batch_size * BATCHES_A_BUCKET):
        bucket = order[start : start + batch_size * BATCHES_A_BUCKET]
        by_length = bucket[np.argsort(lengths[bucket], kind="stable")]
        found += [by_length[first : first + batch_size] for first in range(0, len(by_length), batch_size)]
    place = np.argsort(order)
    return sorted(found, key=lambda batch: int(place[batch].min()))


def prediction_batches(lengths: np.ndarray, batch_size: int) -> Sequence[np.ndarray]:
    """All series, longest first, in batches."""
    order = np.argsort(-lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
