"""A stack of grey slices, changed by one draw and resampled once. n slices, S pixels a side."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from hounsfield.core.training.augmentation import OneOf, StackTransforms, Transform, seed_each

PACK = 4  # slices resampled as the channels of one image; per slice a third of OpenCV's time for one or for three
Parameters = dict[str, Any]


def augment_stack(transforms: StackTransforms, slices: np.ndarray, seed: int) -> None:
    """Change all of a stack in place, (n, S, S) uint8, by the draw that `augment` makes from the same seed.

    Flip, affine map and distortion are put together into one map from the pixels back to where they come from. One
    transform after the other, as published, would interpolate twice and blur more.
    """
    seed_each(transforms, seed)
    flip, contrast, affine, distortion, holes = (_drawn(one, slices.shape[1:]) for one in transforms)
    if contrast is not None:
        for own in slices:
            own[...] = transforms.contrast.apply(own, **contrast)
    if any(one is not None for one in (flip, affine, distortion)):
        _resample(slices, *_origins(slices.shape[-1], flip, affine, distortion))
    for x0, y0, x1, y1 in holes["holes"] if holes else ():
        slices[:, y0:y1, x0:x1] = 0


def _drawn(transform: Transform, shape: tuple[int, ...]) -> Parameters | None:
    """What a seeded transform draws for an image, as it does when it is called; None where it changes nothing."""
    if isinstance(transform, OneOf):
        transform = transform.choose()
    if transform is None or not transform.should_apply():
        return None
    data = {"image": np.broadcast_to(np.uint8(0), shape)}
    parameters: Parameters = transform.update_transform_params(transform.get_params(), data)
    return parameters | transform.get_params_dependent_on_data(parameters, data)


def _origins(
    size: int, flip: Parameters | None, affine: Parameters | None, distortion: Parameters | None
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel comes from, x and y, (S, S) float32. The last change is the first to be undone."""
    x, y = np.meshgrid(*2 * [np.arange(size, dtype=np.float32)])
    if distortion is not None:
        if "matrix" in distortion:
            x, y = _moved_back(distortion["matrix"], x, y)
        else:
            x, y = distortion["map_x"], distortion["map_y"]
        x, y = _mirrored(x, size), _mirrored(y, size)
    if affine is not None:
        x, y = _moved_back(affine["matrix"], x, y)
    return x if flip is None else size - 1 - x, y


def _moved_back(matrix: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where an affine map takes its points from. matrix: (2, 3) or (3, 3), the way forth."""
    (a, b, c), (d, e, f) = cv2.invertAffineTransform(np.asarray(matrix, np.float64)[:2]).tolist()
    return a * x + b * y + c, d * x + e * y + f


def _mirrored(places: np.ndarray, size: int) -> np.ndarray:
    """Places outside of the slice, mirrored at the middle of its outermost pixels until they are in it."""
    period = 2 * (size - 1)
    return np.abs(places - period * np.rint(places / period))


def _resample(slices: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Read the slices at x and y, bilinear, with black around them, and write what was read in their place."""
    size = slices.shape[-1]
    merged, cached, read = np.empty((3, size, size, PACK), np.uint8)
    spare = np.empty((size, size), np.uint8)
    for first in range(0, len(slices), PACK):
        own = [*slices[first : first + PACK], *PACK * [spare]][:PACK]
        cv2.merge(own, merged)
        cached[...] = merged  # merge writes past the cache, without which a turned image is read three times as slowly
        cv2.remap(cached, x, y, cv2.INTER_LINEAR, read, cv2.BORDER_CONSTANT)
        cv2.split(read, own)
