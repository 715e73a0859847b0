"""Random changes to training images (albumentations), drawn from a seed that the caller gives for each image."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from hounsfield.core.training import seed_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its notes on renamed transforms and on newer releases are not the user's concern
    import albumentations

Transform = Any  # albumentations publishes no types


def flip_shift_transpose() -> Sequence[Transform]:
    """The RSNA 2019 2nd-place augmentation: horizontal flip; shift, scale, rotate with replicated border; transpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            albumentations.HorizontalFlip(p=0.5),
            albumentations.ShiftScaleRotate(
                shift_limit=0.05, scale_limit=0.05, rotate_limit=20, border_mode=cv2.BORDER_REPLICATE, p=0.3
            ),
            albumentations.Transpose(p=0.5),
        )


def augment(transforms: Sequence[Transform], image: np.ndarray, seed: int) -> np.ndarray:
    """Apply `transforms` in order to (size, size, 3) uint8; equal seeds give equal images, in any process.

    Each transform has a seed of its own: seeded alike, as albumentations' Compose does it, all would draw the same
    number first, and a flip would come with a transposition every time.
    """
    for place, transform in enumerate(transforms):
        transform.set_random_seed(seed_of(seed, place) % 2**32)
        image = transform(image=image)["image"]
    return np.ascontiguousarray(image)
