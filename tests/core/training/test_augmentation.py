from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from hounsfield.core.training.augmentation import augment, crop_flip_rotate_noise, flip_shift_transpose

# nothing but the flip
WHOLE = {
    "crop_scale": (1.0, 1.0), "rotation": 0.0, "rotation_probability": 1.0, "noise": 0.0, "noise_probability": 0.0
}  # fmt: skip
ALL = {
    "crop_scale": (0.7, 1.0), "rotation": 30.0, "rotation_probability": 1.0, "noise": 0.06, "noise_probability": 0.9
}  # fmt: skip


def hu_image(size: int = 64) -> np.ndarray:
    """Hounsfield units from -150 to 230, smooth, in three channels."""
    y, x = np.mgrid[:size, :size] / (size - 1)
    return np.stack([380 * x - 150, 380 * y - 150, 190 * (x + y) - 150], axis=-1).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_hounsfield_units_are_never_clipped_to_the_range_of_pictures(seed: int) -> None:
    transforms = crop_flip_rotate_noise(48, **ALL | {"noise_probability": 1.0})
    changed = augment(transforms, hu_image(), seed)
    assert changed.dtype == np.float32
    assert changed.shape == (48, 48, 3)
    assert changed.min() < -60
    assert changed.max() > 110
    assert len(np.unique(changed)) > 1000


def test_the_noise_is_one_factor_for_the_whole_image_within_its_ratio() -> None:
    transforms = crop_flip_rotate_noise(64, **WHOLE | {"noise": 0.06, "noise_probability": 1.0})
    factors = []
    for seed in range(200):
        changed = augment(transforms, hu_image(), seed)
        plain = augment(crop_flip_rotate_noise(64, **WHOLE), hu_image(), seed)
        ratio = changed[np.abs(plain) > 1] / plain[np.abs(plain) > 1]
        assert np.ptp(ratio) < 1e-4
        factors.append(ratio.mean())
    assert 0.94 <= min(factors) < 0.945
    assert 1.055 < max(factors) <= 1.06


def test_the_noise_comes_with_its_probability() -> None:
    transforms = crop_flip_rotate_noise(8, **WHOLE | {"noise": 0.5, "noise_probability": 0.7})
    ones = np.ones((8, 8, 3), np.float32)
    changed = [not np.allclose(augment(transforms, ones, seed), 1) for seed in range(400)]
    assert np.mean(changed) == pytest.approx(0.7, abs=0.08)


def test_half_of_the_images_are_flipped_left_to_right_and_nothing_else_happens_to_a_whole_one() -> None:
    transforms, image = crop_flip_rotate_noise(64, **WHOLE), hu_image()
    flipped = []
    for seed in range(200):
        changed = augment(transforms, image, seed)
        flipped.append(np.allclose(changed, image[:, ::-1], atol=1e-3))
        assert flipped[-1] or np.allclose(changed, image, atol=1e-3)
    assert np.mean(flipped) == pytest.approx(0.5, abs=0.1)


def test_the_crop_keeps_its_share_of_the_area_and_its_ratio_of_sides() -> None:
    y, x = np.mgrid[:512, :512].astype(np.float32)
    image = np.stack([x, y, x], axis=-1)
    transforms = crop_flip_rotate_noise(512, **WHOLE | {"crop_scale": (0.7, 1.0)})
    shares, ratios = [], []
    for seed in range(60):
        changed = augment(transforms, image, seed)
        width, height = np.ptp(changed[..., 0]) + 1, np.ptp(changed[..., 1]) + 1
        shares.append(width * height / 512**2)
        ratios.append(width / height)
    assert 0.69 < min(shares) < 0.75
    assert max(shares) <= 1
    assert 3 / 4 - 0.01 < min(ratios) < 0.9 < 1.1 < max(ratios) < 4 / 3 + 0.01


def test_a_rotated_image_has_a_border_of_zero_and_turns_no_further_than_asked() -> None:
    transforms = crop_flip_rotate_noise(65, **WHOLE | {"rotation": 30.0})
    image = np.full((65, 65, 3), 200, np.float32)
    image[30:35, 32:] = 100  # a hand that points to the right
    angles = []
    for seed in range(100):
        changed = augment(transforms, image, seed)
        hand = np.argwhere(np.abs(changed[..., 0] - 100) < 1)
        hand = hand[np.hypot(*(hand - 32).T) > 5]  # and not the border, where 200 fades into 0
        hand = hand[np.hypot(*(hand - 32).T) < 28] - 32
        dy, dx = hand.mean(axis=0)
        angles.append(np.degrees(np.arctan2(dy, abs(dx))))
        if abs(angles[-1]) > 10:
            assert (changed[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()
    assert 25 < np.abs(angles).max() < 31
    assert min(angles) < 0 < max(angles)


def test_half_of_the_images_are_rotated_as_if_all_were_and_the_others_are_not() -> None:
    image = hu_image(16)
    always = math.nextafter(1, 0)  # 1 itself would draw one number less
    half, each, none = (
        crop_flip_rotate_noise(16, **WHOLE | {"rotation": 30.0, "rotation_probability": probability})
        for probability in (0.5, always, 0.0)
    )
    rotated = 0
    for seed in range(2000):
        changed = augment(half, image, seed)
        is_rotated = np.array_equal(changed, augment(each, image, seed))
        assert is_rotated != np.array_equal(changed, augment(none, image, seed))
        rotated += is_rotated
    assert 933 < rotated < 1067  # three standard deviations


@pytest.mark.parametrize(
    ("transforms", "image"),
    [
        (flip_shift_transpose(), np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)),
        (crop_flip_rotate_noise(64, **ALL), hu_image()),
    ],
    ids=["second place", "eleventh place"],
)
def test_equal_seeds_give_equal_images_and_the_given_image_stays_as_it_is(transforms: tuple, image: np.ndarray) -> None:
    before = image.copy()
    first = augment(transforms, image, 5)
    augment(transforms, image, 6)
    assert np.array_equal(augment(transforms, image, 5), first)
    assert np.array_equal(image, before)
    assert len({augment(transforms, image, seed).tobytes() for seed in range(8)}) > 1


def test_the_draws_of_the_transforms_do_not_come_together() -> None:
    image = hu_image(16)
    transforms = crop_flip_rotate_noise(16, **WHOLE | {"noise": 0.5, "noise_probability": 0.5})
    seen = set()
    for seed in range(60):
        changed = augment(transforms, image, seed)
        gradient = changed[:, -1, 0].mean() > changed[:, 0, 0].mean()
        noisy = not np.isclose(np.abs(changed).sum(), np.abs(image).sum(), rtol=1e-3)
        seen.add((gradient, noisy))
    assert len(seen) == 4


def test_the_image_need_not_be_square() -> None:
    image = cv2.resize(hu_image(), (90, 40))
    transforms = crop_flip_rotate_noise(32, **ALL)
    assert augment(transforms, image, 1).shape == (32, 32, 3)


@pytest.mark.parametrize("seed", range(200, 210))
def test_the_published_scale_is_one_factor_for_height_and_width(seed: int) -> None:
    zoom = flip_shift_transpose()[1]
    zoom.set_random_seed(seed)
    scale = zoom.get_params_dependent_on_data({"shape": (64, 64, 3)}, {})["scale"]
    assert scale["x"] == scale["y"]
    assert 0.95 <= scale["x"] <= 1.05
