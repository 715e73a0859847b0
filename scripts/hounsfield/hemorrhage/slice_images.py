"""Prepared images as network input: crop box, resize, augmentation; normalised on the device.

B slices, S pixels a side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.augmentation import augment, flip_shift_transpose
from hounsfield.core.image_batches import UNAUGMENTED
from hounsfield.core.images import Box, crop_to_square, image_path, read_image, resize
from hounsfield.core.training import seed_of
from hounsfield.hemorrhage.config import ClassifierConfig

SAMPLE_COLUMNS = ("image_id", "image_crc32", "x0", "y0", "x1", "y1", *CLASSES)


class SliceImages(Dataset[tuple[Tensor, Tensor]]):
    """The images of some slices, by (epoch, row). What augmentation draws depends on (seed, epoch, row) alone."""

    def __init__(self, slices: pd.DataFrame, folder: Path, *, crop: bool, size: int, seed: int) -> None:
        # fixed-width arrays: a million Python strings would be copied into every loader worker as it touches them
        self._ids = slices["image_id"].to_numpy().astype("S")
        self._checksums = slices["image_crc32"].to_numpy(np.int64)
        self._boxes = slices[["x0", "y0", "x1", "y1"]].to_numpy(np.int32)
        self._labels = np.array(slices[list(CLASSES)], np.float32)
        self._folder, self._crop, self._size, self._seed = folder, crop, size, seed
        self._augmentation = flip_shift_transpose()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def labels(self) -> np.ndarray:
        """(N, 6) float32, NaN where unknown."""
        return self._labels

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The identifiers of some rows, for messages."""
        return [name.decode() for name in self._ids[rows]]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, row = key
        image = read_image(image_path(self._folder, self._ids[row].decode()), int(self._checksums[row]))
        if self._crop:
            image = crop_to_square(image, Box(*self._boxes[row].tolist()))
        image = resize(image, self._size)
        if epoch != UNAUGMENTED:
            image = augment(self._augmentation, image, seed_of(self._seed, epoch, row))
        return torch.from_numpy(image), torch.from_numpy(self._labels[row])


def open_slice_images(slices: pd.DataFrame, folder: Path, config: ClassifierConfig, seed: int) -> SliceImages:
    """The images of `slices` as one classifier's configuration wants them."""
    return SliceImages(slices, folder, crop=config.crop, size=config.size, seed=seed)


def normalise(images: Tensor, config: ClassifierConfig) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32 in channels-last memory, centred and scaled over the training set."""
    # whole rows of (S * 3): a CPU works on three channels at a time where they are the last dimension
    mean = torch.tensor(config.mean, device=images.device).repeat(images.shape[2])
    std = torch.tensor(config.std, device=images.device).repeat(images.shape[2])
    rows = images.flatten(2).float().div_(255).sub_(mean).div_(std)  # (B, S, S * 3)
    return rows.unflatten(2, (-1, 3)).permute(0, 3, 1, 2)
