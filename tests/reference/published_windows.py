"""A window of slices read as published, from the specification of the cervical spine system, sections 1 and 4.

    Slice order = integer file name, ascending. z (third component of ImagePositionPatient) only yields a sign: zdir =
    mean of successive z differences in that order.
    Intensity: pixel * slope + intercept; clip [-500, 1300]; then (v - min) / (max - min) over the clipped slice, x 255,
    truncate to uint8 (per slice, after any crop / resize).
    2.5D image: three consecutive slices as channels.
    If zdir over the loaded slices > 0, reverse images. Channels inside a triplet are not reversed.
    Square box crop, bilinear to 512^2 (align_corners false, no antialias).
    Datasets decode DICOMs every epoch in float64.

By hand: of 0, -600, 400 and 1400 HU the window leaves 0, -500, 400 and 1300; their darkest is -500 and their brightest
1800 more, so they are 500 / 1800, 0, 900 / 1800 and 1800 / 1800 of 255: 70.8, 0, 127.5 and 255, cut to whole numbers.

>>> grey(np.array([[0.0, -600.0], [400.0, 1400.0]])).tolist()
[[70, 0], [127, 255]]
>>> resized(np.array([[0.0, 8.0]]), 4)[0].tolist()
[0.0, 2.0, 6.0, 8.0]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import torch
import torch.nn.functional as F


def grey(hu: np.ndarray) -> np.ndarray:
    """HU (rows, columns) as grey levels, uint8."""
    clipped = np.clip(hu, -500, 1300)
    return ((clipped - clipped.min()) / (clipped.max() - clipped.min()) * 255).astype(np.uint8)


def resized(hu: np.ndarray, size: int) -> np.ndarray:
    """HU (rows, columns) float64, bilinear to (size, size)."""
    image = torch.from_numpy(hu)[None, None]
    return F.interpolate(image, size=(size, size), mode="bilinear", align_corners=False, antialias=False)[0, 0].numpy()


def published_window(
    folder: Path,
    first: int,
    count: int,
    square: tuple[int, int, int, int],
    size: int,
    change: Callable[[np.ndarray], None] = lambda _: None,
) -> np.ndarray:
    """The images of the files `first` to `first + count - 1`, (count / 3, size, size, 3) uint8, head to feet.

    square: x0, y0, x1, y1, end-exclusive. change: writes to the grey slices, (count, size, size), before three make an
    image: an augmentation, say.
    """
    x0, y0, x1, y1 = square
    slices, z = [], []
    for number in range(first, first + count):
        dataset = pydicom.dcmread(folder / f"{number}.dcm")
        hu = dataset.pixel_array.astype(np.float64) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        slices.append(grey(resized(hu[y0:y1, x0:x1], size)))
        z.append(float(dataset.ImagePositionPatient[2]))
    shown = np.array(slices)
    change(shown)
    images = np.array([np.stack(list(shown[k : k + 3]), axis=-1) for k in range(0, count, 3)])
    return images[::-1] if np.mean(np.diff(z)) > 0 else images
