"""Two processes train a segmentation as one does: Dice is over the whole batch, wherever its films are.

The encoder is frozen, so that its batch statistics are running ones: in training they are of each process's own share.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from processes import run_together
from safetensors.numpy import load_file

from hounsfield.core.storage.files import read_json
from pneumothorax.film_files import make_films

CONFIG = """
data_set: discs
folds: [0]
threads: 1
network: {name: unet, encoder: test_resnet, decoder_channels: [8, 8, 8, 8, 8]}
training:
  workers: 0
  save_every: 1
  parts:
    - {start: initial, size: 64, batch_size: 3, accumulate: ACCUMULATE, learning_rate: 1.0e-3, epochs: 2, top: 2,
       positive_share: 0.7, freeze_encoder: true}
"""
LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-5, 1e-4


def train(folder: Path, films: Path, processes: int, accumulate: int) -> tuple[np.ndarray, Path]:
    """Train in a copy of the films. Returns every step's loss, and the folder of the part."""
    work = shutil.copytree(films, folder / "work")
    config = work / "discs.yaml"
    config.write_text(CONFIG.replace("ACCUMULATE", str(accumulate)))
    losses = run_together(
        processes, "pneumothorax_train", "--config", config, "--work", work, log=folder / "losses.json"
    )
    return np.array(losses), work / "checkpoints" / "pneumothorax" / "discs" / "fold0" / "part0"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("films") / "work"
    make_films(work)
    return work


@pytest.mark.slow
def test_two_processes_train_to_the_losses_weights_and_scores_of_one(tmp_path: Path, films: Path) -> None:
    """Batches of three, and a last one of two: one process has two films, then one, and the other always one."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    losses, alone = train(tmp_path / "one", films, 1, 1)
    shared_losses, shared = train(tmp_path / "two", films, 2, 1)
    assert len(losses) == len(shared_losses) > 2
    np.testing.assert_allclose(shared_losses, losses, atol=LOSS_TOLERANCE, rtol=0)
    for epoch in (0, 1):
        one, two = (load_file(folder / f"epoch{epoch}.safetensors") for folder in (alone, shared))
        assert max(np.abs(one[name] - two[name]).max() for name in one) < WEIGHT_TOLERANCE
        scores = [read_json(folder / f"epoch{epoch}.json")["scores"]["dice"] for folder in (alone, shared)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-3)


@pytest.mark.slow
def test_processes_whose_parts_hold_no_film_keep_in_step(tmp_path: Path, films: Path) -> None:
    """Four shares of a batch of three: one of them is empty, and its film counts for nothing."""
    losses, _ = train(tmp_path, films, 2, 2)
    assert np.isfinite(losses).all()
    assert len(losses) > 2
