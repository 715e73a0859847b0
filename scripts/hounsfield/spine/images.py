"""Slices in Hounsfield units as network input: cropped, resized, windowed; normalised on the device.

n slices, S pixels a side.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from hounsfield.core.errors import WrongUse
from hounsfield.core.imaging.boxes import Box
from hounsfield.spine.config import IntensityConfig
from hounsfield.spine.windows import TRIPLET

MEAN = (0.22363983, 0.18190407, 0.2523437)  # of 0..1, as published
STD = (0.32451536, 0.2956294, 0.31335256)


def grey_slices(
    volume: np.ndarray,
    slices: np.ndarray,
    box: Box | None,
    size: int,
    intensity: IntensityConfig,
    *,
    bicubic: bool = False,
) -> np.ndarray:
    """Some slices of a volume as the networks see them, (n, S, S) uint8.

    volume: (slices, rows, columns) int16 HU, memory-mapped. slices: (n,) numbers. box: what is cut out; None: nothing.
    Both steps work on Hounsfield units: resized with aligned edges and no smoothing beforehand, then windowed.
    """
    interpolation = cv2.INTER_CUBIC if bicubic else cv2.INTER_LINEAR
    grey = np.empty((len(slices), size, size), np.uint8)
    for place, number in enumerate(slices.tolist()):
        hu = volume[number] if box is None else volume[number, box.y0 : box.y1, box.x0 : box.x1]
        hu = hu.astype(np.float32)
        if hu.shape != (size, size):
            hu = cv2.resize(hu, (size, size), interpolation=interpolation)
        grey[place] = to_grey(hu, intensity)
    return grey


def to_grey(hu: np.ndarray, intensity: IntensityConfig) -> np.ndarray:
    """One slice's Hounsfield units, (rows, columns) float32, as grey levels 0 to 255, cut to whole ones, uint8.

    Fixed scaling: the window's ends are 0 and 255. Per slice (published): its darkest and brightest value within the
    window are; a slice of one value is black.
    """
    hu = hu.clip(intensity.low, intensity.high)
    low, high = intensity.low, intensity.high
    if intensity.scaling == "slice":
        low, high = float(hu.min()), float(hu.max())
    if high <= low:
        return np.zeros(hu.shape, np.uint8)
    return ((hu - low) / (high - low) * 255).astype(np.uint8)


def check_intensity(config: IntensityConfig) -> None:
    """Raise WrongUse where the window is none."""
    if config.high <= config.low:
        raise WrongUse(f"intensity: from {config.low:g} to {config.high:g} HU is no window; give a higher `high`")


def triplets(grey: np.ndarray) -> np.ndarray:
    """Three slices after the other as the channels of one image: (n, S, S) -> (n / 3, S, S, 3), in that order."""
    rows, columns = grey.shape[1:]
    return np.ascontiguousarray(grey.reshape(-1, TRIPLET, rows, columns).transpose(0, 2, 3, 1))


def network_input(images: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32 in channels-last memory, normalised as published."""
    mean, std = (images.new_tensor(values, dtype=torch.float32) for values in (MEAN, STD))
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)
