"""Images with labels, loaded in batches by background processes. B images, S pixels a side, C classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hounsfield.core.training.loaders import delivered

UNAUGMENTED = -1  # in place of an epoch: the image as it is
Draw = Callable[[str, int, int, int], np.ndarray]  # identifier, checksum, row, epoch -> (S, S, 3)


class ImageBatch(NamedTuple):
    """images: (B, S, S, 3), of the data set's own type. labels: (B, C) float32, NaN where unknown."""

    images: Tensor
    labels: Tensor


class SliceImages(Dataset[tuple[Tensor, Tensor]]):
    """The images of some slices, by (epoch, row): what a draw gives depends on these two alone."""

    def __init__(self, ids: np.ndarray, checksums: np.ndarray, labels: np.ndarray, draw: Draw) -> None:
        """ids: (N,) text. checksums: (N,) CRC-32 of the images' files. labels: (N, C), NaN where unknown."""
        # fixed-width arrays: a million Python strings would be copied into every loader worker as it touches them
        self._ids = ids.astype("S")
        self._checksums = checksums.astype(np.int64)
        self._labels = labels.astype(np.float32)
        self._draw = draw

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def labels(self) -> np.ndarray:
        """(N, C) float32, NaN where unknown."""
        return self._labels

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The identifiers of some rows, for messages."""
        return [name.decode() for name in self._ids[rows]]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """One slice's image (S, S, 3) and its labels (C,)."""
        epoch, row = key
        image = self._draw(self._ids[row].decode(), int(self._checksums[row]), row, epoch)
        return torch.from_numpy(image), torch.from_numpy(self._labels[row])


def load_batches(
    dataset: SliceImages, batches: Sequence[tuple[int, np.ndarray]], *, workers: int, pin: bool
) -> Iterator[ImageBatch]:
    """Load batches in order, in background processes. batches: the epoch and the row numbers of each."""
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=_Keys(batches),
        num_workers=min(workers, len(batches)),
        collate_fn=_collate,
        pin_memory=pin,
        worker_init_fn=_one_thread,
    )
    return delivered(loader, lambda number: dataset.image_ids(batches[number][1]))


class _Keys:
    """The keys of each batch, made when they are asked for: of a million slices they would take a hundred megabytes."""

    def __init__(self, batches: Sequence[tuple[int, np.ndarray]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch, rows in self._batches:
            yield [(epoch, int(row)) for row in rows]


def _collate(samples: Sequence[tuple[Tensor, Tensor]]) -> ImageBatch:
    images, labels = zip(*samples, strict=True)
    return ImageBatch(torch.stack(images), torch.stack(labels))


def _one_thread(_: int) -> None:
    """The loader processes are the parallelism; threads inside them would only fight."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
