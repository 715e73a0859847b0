"""Random changes to training images (albumentations), drawn from a seed that the caller gives for each image."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from hounsfield.core.training.draws import seed_of

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
            albumentations.Affine(
                translate_percent={"x": (-0.05, 0.05), "y": (-0.05, 0.05)},
                scale=(0.95, 1.05),
                keep_ratio=True,  # one factor for both directions
                rotate=(-20, 20),
                border_mode=cv2.BORDER_REPLICATE,
                p=0.3,
            ),
            albumentations.Transpose(p=0.5),
        )


class _WholeImageNoise(albumentations.ImageOnlyTransform):
    """Multiply the whole image by one factor. albumentations' own would clip float images to 0..1."""

    def __init__(self, ratio: float, p: float) -> None:
        super().__init__(p=p)
        self.ratio = ratio

    def get_params(self) -> dict[str, float]:
        """Draw the factor."""
        return {"factor": self.py_random.uniform(1 - self.ratio, 1 + self.ratio)}

    def apply(self, img: np.ndarray, factor: float, **_: Any) -> np.ndarray:
        """Multiply; the type stays."""
        return img * img.dtype.type(factor)


def crop_flip_rotate_noise(
    size: int,
    *,
    crop_scale: tuple[float, float],
    rotation: float,
    rotation_probability: float,
    noise: float,
    noise_probability: float,
) -> Sequence[Transform]:
    """The RSNA 2019 11th-place augmentation of windowed Hounsfield units, (rows, columns, 3) float32.

    A random part of the image, `crop_scale` of its area, sides 3:4 to 4:3, resized to `size` pixels; horizontal flip;
    rotation up to `rotation` degrees with a border of 0 HU; the whole image times 1 +- `noise`. The last two come with
    their probabilities. Nothing is clipped.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            albumentations.RandomResizedCrop(size=(size, size), scale=crop_scale, ratio=(3 / 4, 4 / 3), p=1),
            albumentations.HorizontalFlip(p=0.5),
            albumentations.Rotate(limit=rotation, border_mode=cv2.BORDER_CONSTANT, fill=0, p=rotation_probability),
            _WholeImageNoise(noise, p=noise_probability),
        )


def augment(transforms: Sequence[Transform], image: np.ndarray, seed: int) -> np.ndarray:
    """Apply `transforms` in order to (rows, columns, 3) uint8 or float32; equal seeds give equal images anywhere.

    Each transform has a seed of its own: seeded alike, as albumentations' Compose does it, all would draw the same
    number first, and a flip would come with a transposition every time.
    """
    for place, transform in enumerate(transforms):
        transform.set_random_seed(seed_of(seed, place) % 2**32)
        image = transform(image=image)["image"]
    return np.ascontiguousarray(image)
