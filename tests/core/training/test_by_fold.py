"""Each image is answered by the networks of its own fold, wherever batches are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.training.lone_devices import CPU
from hounsfield.core.errors import BadInput
from hounsfield.core.training.batches import ImageBatch
from hounsfield.core.training.by_fold import fill_by_fold


class Numbers:
    """Stands for images: each is its own number."""

    unit, remedy = "numbers", ""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        return torch.tensor(float(key[1])), torch.zeros(())

    def image_ids(self, rows: np.ndarray) -> list[str]:
        return [f"number {row}" for row in rows]


FOLDS = np.array([0, 0, 0, 1, 1, 1, 1, 4, 4, -1])


def predicted(folder: Path, nan_at: float = -1.0) -> tuple[np.ndarray, list[int]]:
    """The predictions of all rows in batches of four, and the folds whose networks were loaded."""
    loaded: list[int] = []

    def networks_of(fold: int) -> int:
        loaded.append(fold)
        return fold

    def predict(fold: int, batch: ImageBatch) -> np.ndarray:
        values = (100 * fold + batch.images).numpy()
        return np.where(batch.images.numpy() == nan_at, np.nan, values)

    path = folder / "said.npy"
    fill_by_fold(
        path, Numbers(), FOLDS, networks_of, predict, CPU,
        workers=0, batch_size=4, block_batches=2, remedy="train again",
    )  # fmt: skip
    return np.load(path), loaded


def test_images_are_answered_by_their_folds_networks_which_are_loaded_once(tmp_path: Path) -> None:
    values, loaded = predicted(tmp_path)
    assert values.tolist() == (100 * FOLDS + np.arange(10)).tolist()
    assert loaded == [0, 1, 4, -1]


def test_what_is_no_number_is_refused_naming_the_image_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"NaN\) for number 5: .*; train again"):
        predicted(tmp_path, nan_at=5)
