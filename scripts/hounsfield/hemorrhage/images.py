"""Prepared images as network input: crop box, resize, augmentation; normalised on the device.

B slices, S pixels a side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hounsfield.core.imaging.boxes import Box, box_of_shown, crop_to_square, resize
from hounsfield.core.imaging.heat import Cut
from hounsfield.core.storage.image_files import image_path, read_image
from hounsfield.core.training.augmentation import augment, flip_shift_transpose
from hounsfield.core.training.batches import UNAUGMENTED, SliceImages
from hounsfield.core.training.draws import seed_of
from hounsfield.hemorrhage.config import ClassifierConfig

IMAGE_COLUMNS = ("image_id", "image_crc32", "x0", "y0", "x1", "y1")


class HeadImages:
    """Reads prepared images and makes them network input. What is drawn depends on (seed, epoch, row) alone."""

    def __init__(
        self, boxes: np.ndarray | None, folder: Path, config: ClassifierConfig, seed: int, remedy: str
    ) -> None:
        """boxes: (N, 4) x0, y0, x1, y1; None: each is found in the image as it comes back from JPEG.

        remedy: the command that makes an image that is missing.
        """
        self._boxes = None if boxes is None else boxes.astype(np.int32)
        self._folder, self._crop, self._size, self._seed = folder, config.crop, config.size, seed
        self._remedy = remedy
        self._augmentation = flip_shift_transpose()

    def __call__(self, name: str, checksum: int, row: int, epoch: int) -> np.ndarray:
        """One slice as (S, S, 3) uint8: brain, subdural, soft tissue."""
        image = read_image(image_path(self._folder, name), checksum, remedy=self._remedy)
        if self._crop:
            box = box_of_shown(image) if self._boxes is None else Box(*self._boxes[row].tolist())
            image = crop_to_square(image, box)
        image = resize(image, self._size)
        if epoch == UNAUGMENTED:
            return image
        return augment(self._augmentation, image, seed_of(self._seed, epoch, row))


def open_slice_images(
    slices: pd.DataFrame,
    folder: Path,
    config: ClassifierConfig,
    seed: int,
    *,
    names: tuple[str, ...] = (),
    remedy: str = "prepare it again",
) -> SliceImages:
    """The images of `slices` as one classifier's configuration wants them.

    names: of the labels that go with them; none where they are only predicted. remedy: the command that prepares them.
    """
    boxes = slices[["x0", "y0", "x1", "y1"]].to_numpy() if config.crop_boxes == "prepared" else None
    draw = HeadImages(boxes, folder, config, seed, remedy)
    labels = slices[list(names)].to_numpy(np.float32, na_value=np.nan)
    images, checksums = slices["image_id"].to_numpy(), slices["image_crc32"].to_numpy()
    return SliceImages(images, checksums, labels, draw, remedy="Lower classifier.workers or classifier.batch_size")


def cuts_seen(slices: pd.DataFrame, folder: Path, config: ClassifierConfig, remedy: str) -> list[Cut] | None:
    """What a classifier sees of each slice; None where that is all of it.

    slices: IMAGE_COLUMNS, rows and columns. Otherwise as `open_slice_images` takes it.
    """
    if not config.crop:
        return None
    boxes = [Box(*box) for box in slices[["x0", "y0", "x1", "y1"]].astype(int).to_numpy().tolist()]
    if config.crop_boxes == "jpeg":
        named = zip(slices["image_id"], slices["image_crc32"], strict=True)
        boxes = [box_of_shown(read_image(image_path(folder, name), int(crc), remedy=remedy)) for name, crc in named]
    return [Cut(*one) for one in zip(boxes, slices["rows"].astype(int), slices["columns"].astype(int), strict=True)]


def normalise(images: Tensor, config: ClassifierConfig) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32 in channels-last memory, centred and scaled over the training set."""
    # whole rows of (S * 3): a CPU works on three channels at a time where they are the last dimension
    mean = torch.tensor(config.mean, device=images.device).repeat(images.shape[2])
    std = torch.tensor(config.std, device=images.device).repeat(images.shape[2])
    rows = images.flatten(2).float().div_(255).sub_(mean).div_(std)  # (B, S, S * 3)
    return rows.unflatten(2, (-1, 3)).permute(0, 3, 1, 2)
