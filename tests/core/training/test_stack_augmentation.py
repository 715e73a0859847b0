"""A stack of slices is changed by one draw, to the same bytes as each slice by itself."""

from __future__ import annotations

import numpy as np
import pytest

from hounsfield.core.training.augmentation import (
    OneOf,
    StackTransforms,
    augment,
    flip_contrast_rotate_distort_holes,
)
from hounsfield.core.training.stack_augmentation import PACK
from hounsfield.core.training.stack_augmentation import augment_stack as augment_in_place

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
    ("name", "distortion"),
    [
        ("flip", None),
        ("contrast", None),
        ("holes", None),
        ("affine", None),
        ("distortion", GRID),
        ("distortion", ANCHORS),
    ],
)
def test_each_change_alone_makes_of_a_slice_what_it_makes_of_it_by_itself(name: str, distortion: int | None) -> None:
    transforms, stack = transforms_of(name, distortion=distortion), slices(5)
    for seed in range(30):
        found = augment_stack(transforms, stack, seed)
        assert np.array_equal(found, one_by_one(transforms, stack, seed))
        assert not np.array_equal(found, stack)


@pytest.mark.parametrize(("size", "seeds"), [(32, 60), (SIZE, 60), (512, 6)])
def test_all_changes_together_make_of_a_slice_what_they_make_of_it_by_itself(size: int, seeds: int) -> None:
    transforms, stack = flip_contrast_rotate_distort_holes(size), slices(5, size)
    for seed in range(seeds):
        assert np.array_equal(augment_stack(transforms, stack, seed), one_by_one(transforms, stack, seed))


def test_a_flip_turns_left_and_right_round() -> None:
    stack = slices(5)
    assert np.array_equal(augment_stack(transforms_of("flip"), stack, 0), stack[:, :, ::-1])


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
