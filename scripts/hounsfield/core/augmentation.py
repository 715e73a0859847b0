"""Random changes to training images (albumentations), drawn from a seed that the caller gives for each image."""

from __future__ import annotations

import warnings
from typing import Any

import cv2
import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its notes on renamed transforms and on newer releases are not the user's concern
    import albumentations


def flip_shift_transpose() -> Any:
    """The RSNA 2019 2nd-place augmentation: horizontal flip; shift, scale, rotate with replicated border; transpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return albumentations.Compose(
            [
                albumentations.HorizontalFlip(p=0.5),
                albumentations.ShiftScaleRotate(
                    shift_limit=0.05, scale_limit=0.05, rotate_limit=20, border_mode=cv2.BORDER_REPLICATE, p=0.3
                ),
                albumentations.Transpose(p=0.5),
            ]
        )


def augment(transform: Any, image: np.ndarray, seed: int) -> np.ndarray:
    """Apply `transform` to (size, size, 3) uint8; equal seeds give equal images, in any process."""
    transform.set_random_seed(seed % 2**32)
    return np.ascontiguousarray(transform(image=image)["image"])
