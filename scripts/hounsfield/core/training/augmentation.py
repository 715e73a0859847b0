"""Random changes to training images (albumentations), drawn from a seed that the caller gives for each image."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from hounsfield.core.training.draws import seed_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its notes on renamed transforms and on newer releases are not the user's concern
    import albumentations

Transform = Any  # albumentations publishes no types


def _shift_scale_rotate(shift: float, zoom: float, degrees: float, **more: Any) -> Transform:
    """An affine map, each draw up to so much in either direction: shares of the sides, one factor for both, degrees."""
    reach = (-shift, shift)
    return albumentations.Affine(
        translate_percent={"x": reach, "y": reach},
        scale=(1 - zoom, 1 + zoom),
        keep_ratio=True,
        rotate=(-degrees, degrees),
        **more,
    )


def flip_shift_transpose() -> Sequence[Transform]:
    """The RSNA 2019 2nd-place augmentation: horizontal flip; shift, scale, rotate with replicated border; transpose."""
    return (
        albumentations.HorizontalFlip(p=0.5),
        _shift_scale_rotate(0.05, 0.05, 20, border_mode=cv2.BORDER_REPLICATE, p=0.3),
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
    return (
        albumentations.RandomResizedCrop(size=(size, size), scale=crop_scale, ratio=(3 / 4, 4 / 3), p=1),
        albumentations.HorizontalFlip(p=0.5),
        albumentations.Rotate(limit=rotation, border_mode=cv2.BORDER_CONSTANT, fill=0, p=rotation_probability),
        _WholeImageNoise(noise, p=noise_probability),
    )


class _Gamma(albumentations.ImageOnlyTransform):
    """255 (v / 255)^(100 / g) for a whole g of `limits`. albumentations' own takes v to the power of g / 100."""

    def __init__(self, limits: tuple[int, int], p: float) -> None:
        super().__init__(p=p)
        self.limits = limits

    def get_params(self) -> dict[str, int]:
        """Draw g."""
        return {"g": self.py_random.randint(*self.limits)}

    def apply(self, img: np.ndarray, g: int, **_: Any) -> np.ndarray:
        """Look the grey levels up; uint8 stays uint8."""
        return cv2.LUT(img, (255 * (np.arange(256) / 255) ** (100 / g)).astype(np.uint8))


class OneOf:
    """With probability `p` one of several transforms, each as likely.

    albumentations' own draws from the same seed as the transforms in it: which is taken would decide what it draws.
    """

    def __init__(self, transforms: Sequence[Transform], p: float) -> None:
        self._transforms, self._p, self._seed = transforms, p, 0

    def set_random_seed(self, seed: int) -> None:
        """Make the next call depend on this number alone."""
        self._seed = seed

    def choose(self) -> Transform | None:
        """The transform that is taken, with a seed of its own; None where none is."""
        draws = np.random.default_rng(self._seed)
        if draws.random() >= self._p:
            return None
        chosen = self._transforms[int(draws.integers(len(self._transforms)))]
        chosen.set_random_seed(int(draws.integers(2**32)))
        return chosen

    def __call__(self, **images: np.ndarray) -> dict[str, np.ndarray]:
        """The image and what goes with it, changed alike or as they are."""
        chosen = self.choose()
        changed: dict[str, np.ndarray] = images if chosen is None else chosen(**images)
        return changed


def flip_tone_distort_rotate() -> Sequence[Transform]:
    """The SIIM-ACR 2019 1st-place augmentation of grey films and their masks, (rows, columns) uint8.

    Horizontal flip; one of contrast, gamma and brightness; one of an elastic, a grid and a lens distortion; shift,
    scale, rotate. Films are interpolated bilinearly, masks take the nearest pixel, and both are mirrored at the border.
    The elastic distortion's own small affine one is left out; the lens is as violent as it was published.
    """
    border = {"border_mode": cv2.BORDER_REFLECT_101}
    tones = (
        albumentations.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0.2, p=1),
        _Gamma((80, 120), p=1),
        albumentations.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0, brightness_by_max=False, p=1),
    )
    distortions = (
        albumentations.ElasticTransform(alpha=120, sigma=6, noise_distribution="uniform", p=1, **border),
        albumentations.GridDistortion(num_steps=5, distort_limit=0.3, normalized=False, p=1, **border),
        albumentations.OpticalDistortion(distort_limit=2, mode="camera", p=1, **border),
    )
    return (
        albumentations.HorizontalFlip(p=0.5),
        OneOf(tones, p=0.3),
        OneOf(distortions, p=0.3),
        _shift_scale_rotate(0.0625, 0.1, 45, p=0.5, **border),
    )


class _JitteredAnchors(albumentations.ImageOnlyTransform):
    """The affine map that three points of the middle take when each is moved by up to a share of the side.

    It is what `alpha_affine` was in albumentations' elastic distortion, before its version 2 dropped it.
    """

    def __init__(self, share: float, p: float) -> None:
        super().__init__(p=p)
        self.share = share

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, np.ndarray]:
        """Draw the map, (2, 3)."""
        rows, columns = params["shape"][:2]
        middle, arm = np.array([columns, rows]) / 2, min(rows, columns) / 3
        anchors = np.array([[arm, arm], [arm, -arm], [-arm, -arm]]) + middle
        reach = self.share * min(rows, columns)
        moved = anchors + [[self.py_random.uniform(-reach, reach) for _ in "xy"] for _ in anchors]
        return {"matrix": cv2.getAffineTransform(anchors.astype(np.float32), moved.astype(np.float32))}

    def apply(self, img: np.ndarray, matrix: np.ndarray, **_: Any) -> np.ndarray:
        """Map the image, mirrored at its border."""
        return cv2.warpAffine(img, matrix, img.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def flip_contrast_rotate() -> Sequence[Transform]:
    """What the RSNA 2022 3rd place does to images with a box: the one below without distortions and holes."""
    return (
        albumentations.HorizontalFlip(p=0.5),
        albumentations.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0.2, p=0.75),
        _shift_scale_rotate(0.2, 0.2, 20, border_mode=cv2.BORDER_CONSTANT, fill=0, p=0.75),
    )


class StackTransforms(NamedTuple):
    """What changes a stack of slices, in this order; `augment` takes it as it takes every other sequence."""

    flip: Transform
    contrast: Transform
    affine: Transform
    distortion: OneOf
    holes: Transform


def flip_contrast_rotate_distort_holes(size: int) -> StackTransforms:
    """The RSNA 2022 3rd-place augmentation of grey slices, `size` pixels a side, uint8.

    Horizontal flip; contrast, a factor about black; shift, scale, rotate with a black border; a grid distortion or
    three jittered anchors; eight black squares of a tenth of the side, always. Published in pixels of 512. The elastic
    field beside the anchors moved nothing that could be seen, and is left out.
    """
    hole = max(1, size // 10)
    distortions = (
        albumentations.GridDistortion(
            num_steps=5, distort_limit=0.05, normalized=False, border_mode=cv2.BORDER_REFLECT_101, p=1
        ),
        _JitteredAnchors(50 / 512, p=1),
    )
    holes = albumentations.CoarseDropout(
        num_holes_range=(8, 8), hole_height_range=(hole, hole), hole_width_range=(hole, hole), fill=0, p=1
    )
    flip, contrast, affine = flip_contrast_rotate()
    return StackTransforms(flip, contrast, affine, OneOf(distortions, p=0.5), holes)


def augment_boxed(
    transforms: Sequence[Transform], image: np.ndarray, box: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Apply `transforms` to an image (rows, columns, 3) uint8 and to a box on it, as `augment` does.

    box: (4,) x0, y0, x1, y1 in shares of the image. What of it is still on the image comes back: the hull of the moved
    corners, cut at the border; None where it is wholly outside.
    """
    changed = _applied(transforms, seed, image=image, bboxes=box.astype(np.float32)[None])
    boxes = changed["bboxes"]
    return np.ascontiguousarray(changed["image"]), boxes[0].clip(0, 1) if len(boxes) else None


def augment_pair(
    transforms: Sequence[Transform], image: np.ndarray, mask: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Apply `transforms` to an image and its mask, (rows, columns) uint8 both, as `augment` does."""
    pair = _applied(transforms, seed, image=image, mask=mask)
    return np.ascontiguousarray(pair["image"]), np.ascontiguousarray(pair["mask"])


def augment(transforms: Sequence[Transform], image: np.ndarray, seed: int) -> np.ndarray:
    """Apply `transforms` in order to (rows, columns, 3) uint8 or float32; equal seeds give equal images anywhere."""
    return np.ascontiguousarray(_applied(transforms, seed, image=image)["image"])


def seed_each(transforms: Sequence[Transform], seed: int) -> None:
    """Give each transform a seed of its own.

    Seeded alike, as albumentations' Compose does it, all would draw the same number first, and a flip would come with
    a transposition every time.
    """
    for place, transform in enumerate(transforms):
        transform.set_random_seed(seed_of(seed, place) % 2**32)


def _applied(transforms: Sequence[Transform], seed: int, **targets: np.ndarray) -> dict[str, np.ndarray]:
    """What `transforms` make of an image and of what goes with it."""
    seed_each(transforms, seed)
    for transform in transforms:
        targets = transform(**targets)
    return targets
