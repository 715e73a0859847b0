"""Slices in Hounsfield units as network input: windows, random part, flip, rotation, noise; normalised on the device.

B slices, S pixels a side.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hounsfield.core.imaging.boxes import resize
from hounsfield.core.training.augmentation import Transform, augment, crop_flip_rotate_noise
from hounsfield.core.training.batches import UNAUGMENTED, SliceImages
from hounsfield.core.training.draws import seed_of
from hounsfield.stacking.config import NetworkConfig, PredictionConfig, TrainingConfig
from hounsfield.stacking.hu_images import HU_WINDOWS, hu_path, read_hu

IMAGE_COLUMNS = ("image_id", "hu_crc32")


class HuFolder(NamedTuple):
    """Where the images in Hounsfield units lie, and the command that stores them."""

    folder: Path
    remedy: str


class HuImages:
    """Reads slices in Hounsfield units and makes them network input.

    What is drawn for a slice depends on (seed, epoch or pass, slice) alone, whatever other slices there are; the pass
    UNAUGMENTED is the whole slice as it is, resized.
    """

    def __init__(self, source: HuFolder, *, size: int, seed: int, augmentation: Sequence[Transform]) -> None:
        self._source, self._size, self._seed, self._augmentation = source, size, seed, tuple(augmentation)

    def __call__(self, name: str, checksum: int, row: int, number: int) -> np.ndarray:
        """One slice as (S, S, 3) float32 HU. number: of the epoch or pass."""
        image = three_windows(read_hu(hu_path(self._source.folder, name), checksum, remedy=self._source.remedy))
        if number != UNAUGMENTED:
            image = augment(self._augmentation, image, seed_of(self._seed, number, zlib.crc32(name.encode())))
        return resize(image, self._size)


def three_windows(hu: np.ndarray) -> np.ndarray:
    """Clip (rows, columns) int16 HU to the brain, subdural and soft tissue windows: (rows, columns, 3) float32 HU.

    The values stay Hounsfield units, which `apply_window` would scale to 0..1: published means are of these.
    """
    image = np.empty((*hu.shape, len(HU_WINDOWS)), np.float32)
    for channel, window in enumerate(HU_WINDOWS):
        np.clip(hu, window.lower, window.upper, out=image[..., channel])
    return image


def open_training_images(
    slices: pd.DataFrame, source: HuFolder, network: NetworkConfig, config: TrainingConfig, names: tuple[str, ...] = ()
) -> SliceImages:
    """The slices that one network learns from, changed at random in every epoch. names: of the labels."""
    augmentation = _augmentation(network, config, network.hu_noise)
    return _open(slices, HuImages(source, size=network.size, seed=network.seed, augmentation=augmentation), names)


def open_whole_images(
    slices: pd.DataFrame, source: HuFolder, network: NetworkConfig, names: tuple[str, ...] = ()
) -> SliceImages:
    """The slices that one network is scored on while it is trained: each whole, in every pass. names: of the labels."""
    return _open(slices, HuImages(source, size=network.size, seed=network.seed, augmentation=()), names)


def open_prediction_images(
    slices: pd.DataFrame, source: HuFolder, network: NetworkConfig, config: PredictionConfig, seed: int
) -> SliceImages:
    """The slices that one network predicts, changed at random in every pass. seed: by `prediction_seed`."""
    augmentation = _augmentation(network, config, network.hu_noise_predicting)
    return _open(slices, HuImages(source, size=network.size, seed=seed, augmentation=augmentation))


def prediction_seed(seed: int, network: str, fold: int, epoch: int) -> int:
    """The seed of one checkpoint's random passes: no two networks, folds or epochs see a slice changed alike."""
    return seed_of(seed, zlib.crc32(network.encode()), fold, epoch)


def _open(slices: pd.DataFrame, draw: HuImages, names: tuple[str, ...] = ()) -> SliceImages:
    labels = slices[list(names)].to_numpy(np.float32, na_value=np.nan)
    images, checksums = slices["image_id"].to_numpy(), slices["hu_crc32"].to_numpy()
    return SliceImages(images, checksums, labels, draw, remedy="Lower training.workers or the stage's batch_size")


def _augmentation(
    network: NetworkConfig, config: TrainingConfig | PredictionConfig, noise: float
) -> Sequence[Transform]:
    return crop_flip_rotate_noise(
        network.size,
        crop_scale=config.crop_scale,
        rotation=config.rotation,
        rotation_probability=config.rotation_probability,
        noise=noise,
        noise_probability=config.noise_probability,
    )


def normalise(images: Tensor, config: TrainingConfig) -> Tensor:
    """(B, S, S, 3) float32 HU -> (B, 3, S, S) float32 in channels-last memory, centred and scaled as published."""
    # whole rows of (S * 3): a CPU works on three channels at a time where they are the last dimension
    mean = torch.tensor(config.mean, device=images.device).repeat(images.shape[2])
    std = torch.tensor(config.std, device=images.device).repeat(images.shape[2])
    return images.flatten(2).sub(mean).div_(std).unflatten(2, (-1, 3)).permute(0, 3, 1, 2)
