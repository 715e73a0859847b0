"""Triplets and their boxes: what a sample is told, and what augmentation leaves of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hounsfield.core.storage.arrays import write_array
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.spine.config import BoxesConfig, IntensityConfig, NetworkConfig
from hounsfield.spine.localizer_data import Triplets, TripletStudy, moved_target, slice_targets, triplet_target
from spine.made_data import COLUMNS, ROWS, made_neck, slice_rows

SHAPE = (ROWS, COLUMNS)
NONE = (np.nan,) * 4


def triplet(*slices: tuple[float, ...]) -> np.ndarray:
    return np.array(slices, np.float32)


@pytest.fixture
def study(tmp_path: Path) -> TripletStudy:
    neck = made_neck(3, 30)
    write_array(tmp_path / "neck.npy", neck.volume)
    targets = slice_targets(slice_rows("neck", neck, segmented=True), SHAPE)
    return TripletStudy("neck", tmp_path / "neck.npy", SHAPE, targets)


def opened(study: TripletStudy, starts: list[int], reversed_channels: float = 0.5, seed: int = 0) -> Triplets:
    config = BoxesConfig(network=NetworkConfig(backbone="test_resnet", size=64), reversed_channels=reversed_channels)
    rows = np.array([(0, start) for start in starts])
    return Triplets([study], rows, config, IntensityConfig(), (seed,), volume_remedy="")


def test_edges_are_shares_of_the_slices_real_size_and_end_behind_the_last_pixel(study: TripletStudy) -> None:
    """Published: of 512 pixels, whatever the size (defect 18)."""
    vertebrae = made_neck(3, 30).vertebrae
    for z in range(30):
        y, x = np.nonzero(vertebrae[z])
        if len(y):
            expected = [x.min() / COLUMNS, y.min() / ROWS, (x.max() + 1) / COLUMNS, (y.max() + 1) / ROWS, 1]
            np.testing.assert_allclose(study.targets[z], expected, atol=1e-6)
        else:
            assert np.isnan(study.targets[z, :4]).all()
            assert study.targets[z, 4] == 0


def test_slices_without_a_box_do_not_widen_that_of_their_triplet() -> None:
    """Published: a point in the middle of the image took part (defect 8)."""
    found = triplet_target(triplet((*NONE, 0), (0.1, 0.2, 0.3, 0.4, 1), (0.05, 0.25, 0.2, 0.5, 1)), (100, 100))
    np.testing.assert_allclose(found, (0.05, 0.2, 0.3, 0.5, 1))
    nothing = triplet_target(triplet(*[(*NONE, 0)] * 3), (100, 100))
    assert np.isnan(nothing[:4]).all()
    assert nothing[4] == 0


@pytest.mark.parametrize(("width", "has_edges"), [(1, False), (2, True)])
def test_a_box_of_one_pixel_is_none_and_the_neck_counts_as_shown(width: int, has_edges: bool) -> None:
    found = triplet_target(triplet((*NONE, 0), (0.5, 0.2, 0.5 + width / 40, 0.6, 1), (*NONE, 0)), (512, 40))
    assert np.isfinite(found[:4]).all() == has_edges
    assert found[4] == 1


def test_what_augmentation_leaves_of_a_box() -> None:
    target = np.array([0.1, 0.1, 0.4, 0.4, 1], np.float32)
    kept = moved_target(target, np.array([0, 0.1, 0.3, 0.4]), 64)
    np.testing.assert_allclose(kept, (0, 0.1, 0.3, 0.4, 1))
    for sliver in ([0, 0.1, 0.9 / 64, 0.4], [0.2, 0, 0.5, 1 / 64]):
        thin = moved_target(target, np.array(sliver), 64)
        assert np.isnan(thin[:4]).all()
        assert thin[4] == 1
    outside = moved_target(target, None, 64)
    assert np.isnan(outside[:4]).all()
    assert outside[4] == 0


def test_a_box_follows_its_image(study: TripletStudy) -> None:
    """The vertebra is the only thing brighter than soft tissue, of which all is darker than half of it."""
    images, moved = opened(study, [15] * 40), 0
    plain = images[UNAUGMENTED, 0][1]
    for row in range(40):
        image, target = images[0, row]
        if not target[:4].isfinite().all():
            continue
        y, x = np.nonzero(image.numpy().max(axis=-1) > 0.6 * image.numpy().max())
        hull = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) / 64
        inside = (hull[:2] > target[:2].numpy() - 0.04).all() and (hull[2:] < target[2:4].numpy() + 0.04).all()
        assert inside
        moved += not torch.allclose(target, plain)
    assert moved > 20


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_training_triplets_are_turned_as_often_as_configured_and_predicted_ones_never(
    study: TripletStudy, share: float
) -> None:
    """Published: always (defect 7). A slice, then a dark and a bright one: the order of the channels shows."""
    volume = np.load(study.volume)
    volume[15], volume[16], volume[17] = -400, 200, 1200
    write_array(study.volume, volume)
    images = opened(study, [15] * 100, share)
    turned = []
    for row in range(100):
        middle = images[0, row][0][28:36, 28:36].float().mean(dim=(0, 1))
        assert middle[0] != middle[2]
        turned.append(bool(middle[0] > middle[2]))
    assert np.mean(turned) == pytest.approx(share, abs=0.15 if share == 0.5 else 0)
    still = images[UNAUGMENTED, 0][0].float().mean(dim=(0, 1))
    assert still[0] < still[1] < still[2]


def test_a_draw_depends_on_seed_epoch_and_row_alone(study: TripletStudy) -> None:
    first, again, other = opened(study, [4, 4]), opened(study, [4, 4]), opened(study, [4, 4], seed=1)
    again[1, 0]
    assert torch.equal(first[0, 1][0], again[0, 1][0])
    drawn = [one[epoch, row][0].numpy().tobytes() for one in (first, other) for epoch in (0, 1) for row in (0, 1)]
    assert len(set(drawn)) == 8


@pytest.mark.parametrize("count", [1, 2])
def test_a_study_of_one_or_two_slices_is_a_triplet_whose_last_one_repeats(tmp_path: Path, count: int) -> None:
    write_array(tmp_path / "short.npy", made_neck(0, 30).volume[10 : 10 + count])
    short = TripletStudy("short", tmp_path / "short.npy", SHAPE, np.full((count, 5), np.nan, np.float32))
    image, target = opened(short, [0])[UNAUGMENTED, 0]
    assert torch.equal(image[..., 2], image[..., 1])
    assert target.isnan().all()
