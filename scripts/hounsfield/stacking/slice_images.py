"""Slices in Hounsfield units as network input: windows, random part, flip, rotation, noise; normalised on the device.

B slices, S pixels a side.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.augmentation import Transform, augment, crop_flip_rotate_noise
from hounsfield.core.image_batches import UNAUGMENTED
from hounsfield.core.images import resize
from hounsfield.core.training import seed_of
from hounsfield.stacking.config import NetworkConfig, PredictionConfig, TrainingConfig
from hounsfield.stacking.hu_images import WINDOWS, hu_path, read_hu

SAMPLE_COLUMNS = ("image_id", "hu_crc32", *CLASSES)


class SliceImages(Dataset[tuple[Tensor, Tensor]]):
    """Some slices that have an image in Hounsfield units, by (epoch or pass, row).

    What is drawn for a slice depends on (seed, epoch or pass, slice) alone, whatever other slices there are; the pass
    UNAUGMENTED is the whole slice as it is, resized.
    """

    def __init__(
        self, slices: pd.DataFrame, folder: Path, *, size: int, seed: int, augmentation: tuple[Transform, ...]
    ) -> None:
        # fixed-width arrays: a million Python strings would be copied into every loader worker as it touches them
        self._ids = slices["image_id"].to_numpy().astype("S")
        self._checksums = slices["hu_crc32"].to_numpy(np.int64)
        self._labels = np.array(slices[list(CLASSES)], np.float32)
        self._folder, self._size, self._seed, self._augmentation = folder, size, seed, augmentation

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
        """One slice as (S, S, 3) float32 HU, and its labels (6,)."""
        number, row = key
        name = self._ids[row]
        image = three_windows(read_hu(hu_path(self._folder, name.decode()), int(self._checksums[row])))
        if number != UNAUGMENTED:
            image = augment(self._augmentation, image, seed_of(self._seed, number, zlib.crc32(name)))
        image = resize(image, self._size)
        return torch.from_numpy(image), torch.from_numpy(self._labels[row])


def three_windows(hu: np.ndarray) -> np.ndarray:
    """Clip (rows, columns) int16 HU to the brain, subdural and soft tissue windows: (rows, columns, 3) float32 HU."""
    image = np.empty((*hu.shape, len(WINDOWS)), np.float32)
    for channel, window in enumerate(WINDOWS):
        np.clip(hu, window.lower, window.lower + window.width, out=image[..., channel])
    return image


def open_training_images(
    slices: pd.DataFrame, folder: Path, network: NetworkConfig, config: TrainingConfig
) -> SliceImages:
    """The slices that one network learns from, changed at random in every epoch."""
    augmentation = crop_flip_rotate_noise(
        network.size,
        crop_scale=config.crop_scale,
        rotation=config.rotation,
        noise=network.hu_noise,
        noise_probability=config.noise_probability,
    )
    return SliceImages(slices, folder, size=network.size, seed=network.seed, augmentation=tuple(augmentation))


def open_whole_images(slices: pd.DataFrame, folder: Path, network: NetworkConfig) -> SliceImages:
    """The slices that one network is scored on while it is trained: each whole, in every pass."""
    return SliceImages(slices, folder, size=network.size, seed=network.seed, augmentation=())


def open_prediction_images(
    slices: pd.DataFrame, folder: Path, network: NetworkConfig, config: PredictionConfig, seed: int
) -> SliceImages:
    """The slices that one network predicts, changed at random in every pass."""
    augmentation = crop_flip_rotate_noise(
        network.size,
        crop_scale=config.crop_scale,
        rotation=config.rotation,
        noise=network.hu_noise_predicting,
        noise_probability=config.noise_probability,
    )
    return SliceImages(slices, folder, size=network.size, seed=seed, augmentation=tuple(augmentation))


def normalise(images: Tensor, config: TrainingConfig) -> Tensor:
    """(B, S, S, 3) float32 HU -> (B, 3, S, S) float32 in channels-last memory, centred and scaled as published."""
    mean = torch.tensor(config.mean, device=images.device)
    std = torch.tensor(config.std, device=images.device)
    return images.sub(mean).div_(std).permute(0, 3, 1, 2)
