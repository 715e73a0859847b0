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
from hounsfield.spine.slice_windows import TRIPLET

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
    grey, resized = np.empty((len(slices), size, size), np.uint8), np.empty((size, size), np.float32)
    for own, number in zip(grey, slices.tolist(), strict=True):
        hu = volume[number] if box is None else volume[number, box.y0 : box.y1, box.x0 : box.x1]
        hu = hu.astype(np.float32)  # a copy, which may be overwritten
        if hu.shape != (size, size):
            hu = cv2.resize(hu, (size, size), resized, interpolation=interpolation)
        write_grey(hu, intensity, own)
    return grey


def write_grey(hu: np.ndarray, intensity: IntensityConfig, grey: np.ndarray) -> None:
    """Write one slice's Hounsfield units, (rows, columns) float32, as grey levels 0 to 255, cut to whole ones, uint8.

    Fixed scaling: the window's ends are 0 and 255. Per slice (published): its darkest and brightest value within the
    window are; a slice of one value is black. hu: is overwritten, since new arrays of this size take longer than the
    arithmetic.
    """
    low, high = intensity.low, intensity.high
    np.clip(hu, low, high, out=hu)
    if intensity.scaling == "slice":
        low, high = float(hu.min()), float(hu.max())
    if high <= low:
        grey[...] = 0
        return
    hu -= low
    hu /= high - low
    hu *= 255
    grey[...] = hu


def check_intensity(config: IntensityConfig) -> None:
    """Raise WrongUse where the window is none."""
    if config.high <= config.low:
        raise WrongUse(f"intensity: from {config.low:g} to {config.high:g} HU is no window; give a higher `high`")


def triplets(grey: np.ndarray) -> np.ndarray:
    """Three slices after the other as the channels of one image: (n, S, S) -> (n / 3, S, S, 3), in that order.

    It is from head to feet; published, the order of the files' numbers, which in some studies run the other way.
    """
    images = np.empty((len(grey) // TRIPLET, *grey.shape[1:], TRIPLET), np.uint8)
    for image, three in zip(images, grey.reshape(-1, TRIPLET, *grey.shape[1:]), strict=True):
        cv2.merge(list(three), image)  # many times as fast as a copy of the transposed array
    return images


def network_input(images: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 -> (B, 3, S, S) float32 in channels-last memory, normalised as published."""
    mean, std = (images.new_tensor(values, dtype=torch.float32) for values in (MEAN, STD))
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)
