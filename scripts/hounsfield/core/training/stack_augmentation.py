"""A stack of grey slices, changed by one draw. n slices, S pixels a side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np

from hounsfield.core.training.augmentation import OneOf, StackTransforms, Transform, seed_each

PACK = 4  # slices moved as the channels of one image; per slice OpenCV takes a third of its time for one or for three
Parameters = dict[str, Any]
Move = Callable[..., np.ndarray]  # image (S, S, PACK), dst: where the moved one is written


def augment_stack(transforms: StackTransforms, slices: np.ndarray, seed: int) -> None:
    """Change all of a stack in place, (n, S, S) uint8, each slice to the bytes that `augment` makes of it by itself."""
    seed_each(transforms, seed)
    flip, contrast, affine, distortion, holes = (_drawn(one, slices.shape[1:]) for one in transforms)
    if contrast is not None:
        for own in slices:
            own[...] = transforms.contrast.apply(own, **contrast)
    moves = _moves(slices.shape[-1], flip, affine, distortion)
    if moves:
        _move(slices, moves)
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


def _moves(
    size: int, flip: Parameters | None, affine: Parameters | None, distortion: Parameters | None
) -> Sequence[Move]:
    """What moves the pixels, in order; around a slice there is black for the affine map, for a distortion a mirror."""
    moves: list[Move] = []
    if flip is not None:
        moves.append(partial(cv2.flip, flipCode=1))
    if affine is not None:
        moves.append(_affine(affine["matrix"][:2], size, cv2.BORDER_CONSTANT))
    if distortion is not None and "matrix" in distortion:
        moves.append(_affine(distortion["matrix"], size, cv2.BORDER_REFLECT_101))
    elif distortion is not None:
        maps = {"map1": distortion["map_x"], "map2": distortion["map_y"]}
        moves.append(partial(cv2.remap, **maps, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))
    return moves


def _affine(matrix: np.ndarray, size: int, border: int) -> Move:
    return partial(cv2.warpAffine, M=matrix, dsize=(size, size), flags=cv2.INTER_LINEAR, borderMode=border)


def _move(slices: np.ndarray, moves: Sequence[Move]) -> None:
    """Move the slices in place. New images for each step would take longer than the steps."""
    merged, image, moved = np.empty((3, *slices.shape[1:], PACK), np.uint8)
    spare = np.empty(slices.shape[1:], np.uint8)
    for first in range(0, len(slices), PACK):
        own = [*slices[first : first + PACK], *PACK * [spare]][:PACK]
        cv2.merge(own, merged)
        image[...] = merged  # merge writes past the cache, without which a turned image is read three times as slowly
        for move in moves:
            move(image, dst=moved)
            image, moved = moved, image
        cv2.split(image, own)
