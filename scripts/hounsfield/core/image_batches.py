"""Images with labels, loaded in batches by background processes. B images, S pixels a side, C classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from hounsfield.core.loaders import delivered

UNAUGMENTED = -1  # in place of an epoch: the image as it is


class ImageBatch(NamedTuple):
    """images: (B, S, S, 3), of the data set's own type. labels: (B, C) float32, NaN where unknown."""

    images: Tensor
    labels: Tensor


class LabelledImages(Protocol):
    """The images of some slices by (epoch, row): what is drawn at random depends on these two and a seed alone."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]: ...

    @property
    def labels(self) -> np.ndarray:
        """(N, C) float32, NaN where unknown."""

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The identifiers of some rows, for messages."""


def load_batches(
    dataset: LabelledImages, batches: Sequence[tuple[int, np.ndarray]], *, workers: int, pin: bool
) -> Iterator[ImageBatch]:
    """Load batches in order, in background processes. batches: the epoch and the row numbers of each."""
    keys = [[(epoch, int(row)) for row in rows] for epoch, rows in batches]
    loader: DataLoader[ImageBatch] = DataLoader(
        dataset,  # type: ignore[arg-type]  # torch's Dataset is a class, and needs no more than these two methods
        batch_sampler=keys,
        num_workers=min(workers, len(keys)),
        collate_fn=_collate,
        pin_memory=pin,
        worker_init_fn=_one_thread,
    )
    return delivered(loader, lambda number: dataset.image_ids(batches[number][1]))


def _collate(samples: Sequence[tuple[Tensor, Tensor]]) -> ImageBatch:
    images, labels = zip(*samples, strict=True)
    return ImageBatch(torch.stack(images), torch.stack(labels))


def _one_thread(_: int) -> None:
    """The loader processes are the parallelism; threads inside them would only fight."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
