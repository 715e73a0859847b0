"""A stack of slices is changed by one draw as each slice by itself would be, but resampled once."""

from __future__ import annotations

import numpy as np
import pytest

from hounsfield.core.training.augmentation import (
    OneOf,
    StackTransforms,
    augment,
    flip_contrast_rotate_distort_holes,
    seed_each,
)
from hounsfield.core.training.stack_augmentation import PACK
from hounsfield.core.training.stack_augmentation import augment_stack as augment_in_place
from reference.one_resampling import resampled, taken_from

SIZE = 60
GRID, ANCHORS = 0, 1  # places among the distortions


def slices(count: int, size: int = SIZE) -> np.ndarray:
    """Grey levels without any order, in which a shift by a tenth of a pixel is seen."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size)).astype(np.uint8)


def transforms_of(*names: str, distortion: int | None = None) -> StackTransforms:
    """The published transforms, of which those named are always drawn, and the others never."""
    found = flip_contrast_rotate_distort_holes(SIZE)
    kinds = found.distortion._transforms
    kinds = kinds if distortion is None else [kinds[distortion]]
    for name in ("flip", "contrast", "affine", "holes"):
        getattr(found, name).p = float(name in names)
    return found._replace(distortion=OneOf(kinds, p=float("distortion" in names)))


def augment_stack(transforms: StackTransforms, stack: np.ndarray, seed: int) -> np.ndarray:
    """A changed copy."""
    changed = stack.copy()
    augment_in_place(transforms, changed, seed)
    return changed


def one_by_one(transforms: StackTransforms, stack: np.ndarray, seed: int) -> np.ndarray:
    """Each slice by itself, one transform after the other."""
    return np.stack([augment(transforms, np.stack([one] * 3, axis=-1), seed)[..., 0] for one in stack])


@pytest.mark.parametrize(
    ("name", "distortion", "levels"),
    [
        ("flip", None, 0),
        ("contrast", None, 0),
        ("holes", None, 0),
        ("affine", None, 1),
        ("distortion", GRID, 1),
        ("distortion", ANCHORS, 1),
    ],
)
def test_each_change_alone_is_that_of_a_slice_by_itself(name: str, distortion: int | None, levels: int) -> None:
    transforms, stack = transforms_of(name, distortion=distortion), slices(5)
    for seed in range(30):
        found = augment_stack(transforms, stack, seed)
        assert np.abs(found.astype(int) - one_by_one(transforms, stack, seed)).max() <= levels
        assert not np.array_equal(found, stack)


def test_a_flip_turns_left_and_right_round() -> None:
    stack = slices(5)
    assert np.array_equal(augment_stack(transforms_of("flip"), stack, 0), stack[:, :, ::-1])


@pytest.mark.parametrize("last", [("distortion",), ("affine",)])
def test_a_draw_with_one_resampling_is_that_of_a_slice_by_itself(last: tuple[str, ...]) -> None:
    transforms, stack = transforms_of("flip", "contrast", "holes", *last), slices(5)
    for seed in range(20):
        difference = augment_stack(transforms, stack, seed) - one_by_one(transforms, stack, seed).astype(int)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("kind", [GRID, ANCHORS])
def test_what_is_flipped_moved_and_distorted_is_read_once_at_the_place_of_the_reference(kind: int) -> None:
    transforms, stack = transforms_of("flip", "affine", "distortion", distortion=kind), slices(1)
    for seed in range(6):
        seed_each(transforms, seed)
        drawn = {}
        for name, one in (("affine", transforms.affine), ("distortion", transforms.distortion.choose())):
            one(image=stack[0])
            drawn[name] = one.get_applied_params()
        places = drawn["distortion"]

        def distortion(x: int, y: int, places: dict[str, np.ndarray] = places) -> tuple[float, float]:
            if kind == GRID:
                return float(places["map_x"][y, x]), float(places["map_y"][y, x])
            return taken_from(places["matrix"].tolist(), x, y)

        affine = drawn["affine"]["matrix"][:2].tolist()
        expected = resampled(stack[0], flip=True, affine=affine, distortion=distortion)
        assert np.abs(augment_stack(transforms, stack, seed)[0].astype(int) - expected).max() <= 1


def test_what_is_resampled_once_keeps_more_detail_than_what_is_resampled_twice() -> None:
    """Published: an affine map, then a distortion, each with an interpolation of its own."""
    transforms, stack = transforms_of("affine", "distortion"), slices(2)
    for seed in range(10):
        once, twice = augment_stack(transforms, stack, seed), one_by_one(transforms, stack, seed)
        assert np.corrcoef(once.ravel(), twice.ravel())[0, 1] > 0.8  # the same places
        assert once.std() > twice.std() + 1


@pytest.mark.parametrize("count", [1, PACK - 1, PACK, PACK + 1, 2 * PACK + 1])
def test_every_slice_of_a_stack_is_changed_alike_however_many_there_are(count: int) -> None:
    transforms, stack = flip_contrast_rotate_distort_holes(SIZE), slices(count)
    for seed in range(8):
        alone = [augment_stack(transforms, one[None], seed)[0] for one in stack]
        assert np.array_equal(augment_stack(transforms, stack, seed), alone)


def test_a_seed_gives_the_same_change_again_and_another_seed_another() -> None:
    stack = slices(2)
    found = [augment_stack(flip_contrast_rotate_distort_holes(SIZE), stack, seed).tobytes() for seed in range(40)]
    again = [augment_stack(flip_contrast_rotate_distort_holes(SIZE), stack, seed).tobytes() for seed in range(40)]
    assert found == again
    assert len(set(found)) == 40


@pytest.mark.parametrize(
    ("name", "share"), [("flip", 0.5), ("contrast", 0.75), ("affine", 0.75), ("distortion", 0.5), ("holes", 1.0)]
)
def test_each_change_is_drawn_as_often_as_published(name: str, share: float) -> None:
    published = flip_contrast_rotate_distort_holes(SIZE)
    transforms = transforms_of()._replace(**{name: getattr(published, name)})
    stack = slices(1)
    changed = [not np.array_equal(augment_stack(transforms, stack, seed), stack) for seed in range(400)]
    assert np.mean(changed) == pytest.approx(share, abs=0.07)
