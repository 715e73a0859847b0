"""A box goes with its image, and every draw keeps its published range."""

from __future__ import annotations

import numpy as np
import pytest

from hounsfield.core.training.augmentation import (
    augment,
    augment_boxed,
    flip_contrast_rotate,
    flip_contrast_rotate_distort_holes,
)

SIZE = 96
BOX = np.array([30, 36, 60, 54]) / SIZE  # x0, y0, x1, y1


def boxed() -> np.ndarray:
    """A bright rectangle where BOX is, (S, S, 3) uint8."""
    image = np.full((SIZE, SIZE, 3), 40, np.uint8)
    image[36:54, 30:60] = 200
    return image


def test_a_box_stays_around_what_it_held() -> None:
    moved = 0
    for seed in range(60):
        image, box = augment_boxed(flip_contrast_rotate(), boxed(), BOX, seed)
        y, x = np.nonzero(image[..., 0] > 100)
        found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
        assert box is not None
        expected = box * SIZE
        assert np.abs(found - expected).max() <= 2
        moved += not np.allclose(box, BOX, atol=1e-3)
    assert 40 < moved <= 60


def test_a_box_may_be_moved_out_of_the_image() -> None:
    corner = np.array([0.0, 0.0, 0.04, 0.04])
    boxes = [augment_boxed(flip_contrast_rotate(), boxed(), corner, seed)[1] for seed in range(200)]
    left = np.array([box for box in boxes if box is not None])
    assert 10 < len(left) < 190
    assert left.min() == 0  # some are cut at the border
    assert (left[:, :2] < left[:, 2:]).all()


def test_half_are_flipped_left_to_right_and_three_in_four_have_another_contrast_and_another_place() -> None:
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    changed = []
    for transform in flip_contrast_rotate():
        found = [augment([transform], image, seed) for seed in range(400)]
        changed.append([one for one in found if not np.array_equal(one, image)])
    assert [len(one) / 400 for one in changed] == pytest.approx([0.5, 0.75, 0.75], abs=0.07)
    assert all(np.array_equal(one, image[:, ::-1]) for one in changed[0])


def test_what_is_moved_in_from_outside_of_the_image_is_black() -> None:
    white = np.full((SIZE, SIZE, 3), 255, np.uint8)
    corners = np.array([augment(flip_contrast_rotate()[2:], white, seed)[0, 0] for seed in range(60)])
    assert 0.3 < (corners == 0).mean() < 0.9


def test_shift_scale_and_rotation_keep_their_ranges() -> None:
    always = flip_contrast_rotate()[2]
    always.p = 1
    centres, widths = [], []
    for seed in range(300):
        _, box = augment_boxed([always], boxed(), np.array([0.5, 0.5, 0.5 + 1e-4, 0.5 + 1e-4]), seed)
        centres.append((box[:2] + box[2:]) / 2 - 0.5)
        widths.append((box[2:] - box[:2]) / 1e-4)
    assert 0.17 < np.abs(centres).max() < 0.215
    assert np.abs(np.corrcoef(np.array(centres).T)[0, 1]) < 0.15  # x and y are drawn apart
    hull = 1.2 * (np.cos(np.radians(20)) + np.sin(np.radians(20)))
    assert 0.75 < np.min(widths) < 0.95
    assert 1.3 < np.max(widths) < hull + 0.1


def test_contrast_is_a_factor_about_black() -> None:
    always = flip_contrast_rotate()[1]
    always.p = 1
    ramp = np.repeat(np.arange(0, 200, dtype=np.uint8).reshape(10, 20, 1), 3, axis=2)
    lights = np.array([augment([always], ramp, seed)[5, 0, 0] for seed in range(200)]) / 100
    assert 0.79 <= lights.min() < 0.84 < 1.16 < lights.max() <= 1.21
    assert not any(augment([always], ramp, seed)[0, 0, 0] for seed in range(20))


def test_eight_black_squares_of_a_tenth_of_the_side_are_always_cut_out() -> None:
    holes = flip_contrast_rotate_distort_holes(512).holes
    white = np.full((512, 512, 3), 255, np.uint8)
    shares = [(augment([holes], white, seed) == 0).mean() * 512**2 / 51**2 for seed in range(40)]
    assert max(shares) == pytest.approx(8, abs=1e-6)
    assert min(shares) > 4  # they overlap at times


def test_half_of_the_images_are_distorted_by_a_grid_or_by_anchors() -> None:
    group = flip_contrast_rotate_distort_holes(SIZE).distortion
    assert np.mean([np.array_equal(augment([group], boxed(), seed), boxed()) for seed in range(400)]) == pytest.approx(
        0.5, abs=0.08
    )
    grid, anchors = group._transforms
    gradient = np.repeat(np.tile(np.arange(SIZE, dtype=np.uint8), (SIZE, 1))[..., None], 3, axis=2)
    moves = {}
    for name, one in (("grid", grid), ("anchors", anchors)):
        changed = np.stack([augment([one], gradient, seed) for seed in range(30)]).astype(float)
        moves[name] = np.abs(changed - gradient)[:, 30:-30, 30:-30].mean()
    assert 0.2 < moves["grid"] < 2
    assert moves["anchors"] > 2 * moves["grid"]
