"""Windows as samples: whole triplets, one draw for all of them, padding behind the study's end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hounsfield.core.errors import MissingInput
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.training.batches import UNAUGMENTED, load_batches
from hounsfield.spine.config import IntensityConfig, WindowsConfig
from hounsfield.spine.images import grey_slices, triplets
from hounsfield.spine.slice_window_data import Window, WindowKind, Windows, WindowStudy
from spine.made_data import made_neck

CONFIG = WindowsConfig(slices=12, train_step=3, predict_step=4)
KIND = WindowKind(CONFIG, IntensityConfig(), 32)
COUNTS = (10, 30)


@pytest.fixture
def studies(tmp_path: Path) -> list[WindowStudy]:
    found = []
    for number, count in enumerate(COUNTS):
        path = tmp_path / f"{number}.npy"
        write_array(path, made_neck(number, count).volume)
        targets = np.arange(count * 7, dtype=np.float32).reshape(count, 7)
        found.append(WindowStudy(f"study{number}", path, None, targets))
    return found


def windows(studies: list[WindowStudy], rows: list[tuple[int, int]], kind: WindowKind = KIND) -> Windows:
    return Windows(studies, np.array(rows), kind, (1, 2), remedy="", volume_remedy="")


def test_a_window_holds_its_slices_in_order_with_targets_and_positions(studies: list[WindowStudy]) -> None:
    window = windows(studies, [(1, 5)])[UNAUGMENTED, 0]
    expected = grey_slices(np.load(studies[1].volume), np.arange(5, 17), None, 32, KIND.intensity)
    assert torch.equal(window.triplets, torch.from_numpy(triplets(expected)))
    assert torch.equal(window.targets, torch.from_numpy(studies[1].targets[5:17]))
    np.testing.assert_allclose(window.positions, 200 * np.arange(5, 17) / 29, atol=1e-5)


def test_a_study_shorter_than_a_window_is_padded_behind_its_end(studies: list[WindowStudy]) -> None:
    """Ten slices of twelve: the last triplet that is there repeats the last slice, and steps behind it are unknown."""
    window = windows(studies, [(0, 0)])[UNAUGMENTED, 0]
    assert window.positions.isfinite().tolist() == [True] * 10 + [False] * 2
    assert window.targets.isfinite().all(dim=1).tolist() == [True] * 10 + [False] * 2
    assert torch.equal(window.triplets[3, ..., 1], window.triplets[3, ..., 0])
    three = windows(studies, [(1, 27)])[UNAUGMENTED, 0]
    assert three.positions.isfinite().sum() == 3
    assert not three.triplets[1:].any()


def test_targets_of_triplets_are_those_of_their_middle_slices(studies: list[WindowStudy]) -> None:
    kind = WindowKind(CONFIG, IntensityConfig(), 32, per_triplet=True)
    window = windows(studies, [(1, 5), (0, 0)], kind)[UNAUGMENTED, 0]
    assert torch.equal(window.targets, torch.from_numpy(studies[1].targets[[6, 9, 12, 15]]))
    assert window.positions.shape == (4,)
    short = windows(studies, [(1, 5), (0, 0)], kind)[UNAUGMENTED, 1]
    assert torch.equal(short.targets, torch.from_numpy(studies[0].targets[[1, 4, 7, 9]]))


def test_all_images_of_a_window_are_changed_by_one_draw(tmp_path: Path) -> None:
    write_array(tmp_path / "same.npy", np.repeat(made_neck(0, 12).volume[4:5], 12, axis=0))
    same = [WindowStudy("same", tmp_path / "same.npy", None, np.zeros((12, 7), np.float32))]
    found = [windows(same, [(0, 0)])[epoch, 0].triplets for epoch in range(5)]
    for images in found:
        assert torch.equal(images, images[:1].expand_as(images))
    assert len({images.numpy().tobytes() for images in found}) == 5


def test_a_draw_depends_on_seed_epoch_and_row_alone(studies: list[WindowStudy]) -> None:
    """Published: draws of a worker, whose seeds came again in the next epoch (defect 22)."""
    rows = [(1, 5), (1, 5)]
    kind = WindowKind(CONFIG, IntensityConfig(), 32, sparse=0.6)
    first, again = windows(studies, rows, kind), windows(studies, rows, kind)
    again[1, 0]
    assert torch.equal(first[0, 1].triplets, again[0, 1].triplets)
    assert not torch.equal(first[0, 0].triplets, first[0, 1].triplets)
    drawn = {tuple(first.slices_of(epoch, 0)) for epoch in range(20)}
    assert len(drawn) > 1
    assert set(map(tuple, [first.slices_of(UNAUGMENTED, 0)])) == {tuple(range(5, 17))}


def test_a_volume_that_is_lost_ends_the_loading_and_no_batch_is_used_twice(studies: list[WindowStudy]) -> None:
    """Published: the error was printed, and the batch before it was used again (defect 13)."""
    studies[0].volume.unlink()
    images = Windows(studies, np.array([(1, 5), (0, 0)]), KIND, (1,), remedy="", volume_remedy="sh bin/prepare.sh")
    keys = [(UNAUGMENTED, np.array([row])) for row in (0, 1)]
    loader = load_batches(images, keys, workers=0, device=torch.device("cpu"))
    assert next(loader).triplets.shape[0] == 1
    with pytest.raises(MissingInput, match=r"0\.npy is missing; make it with: sh bin/prepare\.sh"):
        next(loader)


def test_batches_of_windows_are_windows(studies: list[WindowStudy]) -> None:
    keys = [(UNAUGMENTED, np.array([0, 1]))]
    (batch,) = load_batches(windows(studies, [(1, 5), (0, 0)]), keys, workers=0, device=torch.device("cpu"))
    assert isinstance(batch, Window)
    assert batch.triplets.shape == (2, 4, 32, 32, 3)
    assert (batch.targets.shape, batch.positions.shape) == ((2, 12, 7), (2, 12))
