"""What befalls a film befalls its mask; and every draw keeps its published range, whatever was drawn before it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from hounsfield.core.training.augmentation import augment_pair, flip_tone_distort_rotate

SIZE = 96
FLIP, TONE, DISTORTION, ROTATION = range(4)  # the transforms by their places


def disc() -> np.ndarray:
    """A bright disc off the middle, (S, S) uint8."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.where((rows - 40) ** 2 + (columns - 60) ** 2 < 20**2, 200, 20).astype(np.uint8)


def always(place: int, choice: int | None = None) -> Any:
    """One of the transforms alone, applied every time; of a choice between several, this one."""
    transform = flip_tone_distort_rotate()[place]
    if choice is not None:
        transform = transform._transforms[choice]
    transform.p = 1
    return transform


def test_equal_seeds_change_both_equally_in_any_order_and_different_seeds_differ() -> None:
    image, mask = disc(), (disc() > 100) * np.uint8(255)
    forward = [augment_pair(flip_tone_distort_rotate(), image, mask, seed) for seed in range(20)]
    transforms = flip_tone_distort_rotate()
    backward = [augment_pair(transforms, image, mask, seed) for seed in reversed(range(20))][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])
    assert len({pair[0].tobytes() for pair in forward}) > 10


def test_masks_stay_black_and_white_and_follow_the_film() -> None:
    image, mask = disc(), (disc() > 100) * np.uint8(255)
    transforms = flip_tone_distort_rotate()
    moved = 0
    for seed in range(60):
        film, changed = augment_pair(transforms, image, mask, seed)
        assert set(np.unique(changed)) <= {0, 255}
        off = (film > 0.55 * film.max()) != (changed > 0)
        assert off.sum() < 0.2 * (changed > 0).sum() + 40  # the disc's edge, where the film is interpolated
        moved += not np.array_equal(changed, mask)
    assert moved > 30


@pytest.mark.parametrize(
    ("place", "choice"), [(DISTORTION, 0), (DISTORTION, 1), (DISTORTION, 2), (ROTATION, None)]
)  # fmt: skip
def test_both_are_mirrored_at_the_border(place: int, choice: int | None) -> None:
    white, transform = np.full((SIZE, SIZE), 255, np.uint8), always(place, choice)
    for seed in range(10):
        film, mask = augment_pair([transform], white, white, seed)
        assert film.min() == mask.min() == 255


@pytest.mark.parametrize("place", [FLIP, ROTATION])
def test_half_of_the_films_are_flipped_and_half_are_rotated(place: int) -> None:
    image, transform = disc(), flip_tone_distort_rotate()[place]
    changed = [augment_pair([transform], image, image, seed)[0] for seed in range(600)]
    assert np.mean([not np.array_equal(one, image) for one in changed]) == pytest.approx(0.5, abs=0.08)
    if place == FLIP:
        assert {one.tobytes() for one in changed} == {image.tobytes(), image[:, ::-1].tobytes()}


def test_films_are_shifted_by_a_sixteenth_scaled_by_a_tenth_and_rotated_by_45_degrees_at_most() -> None:
    """From where the middle of the film comes, and how fast that changes along its rows and columns."""
    columns = np.tile(np.arange(SIZE, dtype=np.float32), (SIZE, 1))
    middle, drawn = slice(SIZE // 2 - 1, SIZE // 2 + 1), []
    for seed in range(120):
        x, y = (_transformed(always(ROTATION), ramp, seed)[middle, middle] for ramp in (columns, columns.T.copy()))
        slopes = np.array([[np.diff(one, axis=1).mean(), np.diff(one, axis=0).mean()] for one in (x, y)])
        back = np.linalg.inv(slopes)  # scale times rotation
        scale = np.linalg.det(back) ** 0.5
        np.testing.assert_allclose(back @ back.T, scale**2 * np.eye(2), atol=0.02)  # one factor for both directions
        shift = -back @ [x.mean() - (SIZE - 1) / 2, y.mean() - (SIZE - 1) / 2]
        drawn.append([np.degrees(np.arctan2(back[1, 0], back[0, 0])), 100 * (scale - 1), *(16 * shift / SIZE)])
    for values, limit in zip(np.transpose(drawn), (45, 10, 1, 1), strict=True):
        assert -1.06 * limit < values.min() < -0.8 * limit  # shifts are cut to whole pixels, 5 of 6
        assert 0.8 * limit < values.max() < 1.06 * limit


class Fill:
    """Stands for a transform: it fills the image with its number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def set_random_seed(self, seed: int) -> None:
        pass

    def __call__(self, **images: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.full_like(image, self.number) for name, image in images.items()}


@pytest.mark.parametrize("place", [TONE, DISTORTION])
def test_one_of_three_is_taken_three_times_in_ten_each_as_often(place: int) -> None:
    group, image = flip_tone_distort_rotate()[place], np.zeros((2, 2), np.uint8)
    group._transforms = [Fill(number) for number in range(1, len(group._transforms) + 1)]
    taken = Counter(int(augment_pair([group], image, image, seed)[0][0, 0]) for seed in range(3000))
    assert taken[0] / 3000 == pytest.approx(0.7, abs=0.03)
    assert [taken[number] / 3000 for number in (1, 2, 3)] == pytest.approx([0.1] * 3, abs=0.02)


def test_contrast_is_a_factor_about_black_and_gamma_a_power_and_brightness_a_part_of_the_mean() -> None:
    ramp = np.arange(0, 120, dtype=np.uint8).reshape(8, 15)
    dark = {kind: _drawn(ramp, number) for number, kind in enumerate(("contrast", "gamma", "brightness"))}
    factors = dark["contrast"][:, -1] / 119
    assert 0.79 < factors.min() < 0.84 < 1.16 < factors.max() <= 1.21
    assert not dark["contrast"][:, 0].any()
    powers = np.log(dark["gamma"][:, 60] / 255 + 1e-9) / np.log(60 / 255)
    assert 100 / 120 - 0.02 <= powers.min() < 0.87 < 1.18 < powers.max() <= 100 / 80 + 0.02
    shifts = (dark["brightness"][:, 119] - 119) / ramp.mean()
    assert -0.21 <= shifts.min() < -0.16 < 0.16 < shifts.max() <= 0.21


def _drawn(image: np.ndarray, tone: int) -> np.ndarray:
    """The grey levels that a tone makes of a ramp, as the whole choice takes it, (draws, levels)."""
    group = flip_tone_distort_rotate()[TONE]
    group._p = 1
    chosen = group._transforms[tone]
    group._transforms = (chosen,)
    return np.array([augment_pair([group], image, image, seed)[0].ravel() for seed in range(200)], float)


def test_the_elastic_distortion_moves_pixels_by_three_and_a_third_on_average() -> None:
    """Of the Gaussian noise that is the library's default they would move by a third of it."""
    ramp = np.tile(np.arange(SIZE, dtype=np.float32), (SIZE, 1))
    moves = [_transformed(always(DISTORTION, 0), ramp, seed) - ramp for seed in range(8)]
    assert np.std(np.stack(moves)[:, 20:-20, 20:-20]) == pytest.approx(3.3, abs=0.5)


def _transformed(transform: Any, image: np.ndarray, seed: int) -> np.ndarray:
    transform.set_random_seed(seed)
    changed: np.ndarray = transform(image=image)["image"]
    return changed
