"""Two processes train a segmentation as one does: Dice is over the whole batch, wherever its films are.

Batch statistics are of each process's own share, as they were on the published GPUs. So the encoder is frozen where one
process sees the whole batch at once; where it is not, one process is given the batch in the same two shares.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
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
network: {NETWORK, decoder_channels: [8, 8, 8, 8, 8]}
training:
  loss: {dice: DICE}
  workers: 0
  save_every: 1
  parts:
    - {start: initial, size: 64, batch_size: 3, accumulate: ACCUMULATE, learning_rate: 1.0e-3, epochs: 2, top: 2,
       positive_share: 0.7, freeze_encoder: FREEZE, kept: last}
"""
FROZEN = {"NETWORK": "name: unet, encoder: test_resnet", "DICE": "1", "FREEZE": "true"}
SMP = {"NETWORK": "name: smp/unet/mobilenet_v2", "DICE": "0", "FREEZE": "false"}  # Dice is over a forward pass
LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-5, 1e-4


def train(
    folder: Path, films: Path, processes: int, accumulate: int, settings: Mapping[str, str] = FROZEN
) -> tuple[np.ndarray, Path]:
    """Train in a copy of the films. Returns every step's loss, and the folder of the part."""
    work = shutil.copytree(films, folder / "work")
    config = work / "discs.yaml"
    text = CONFIG
    for name, value in {**settings, "ACCUMULATE": str(accumulate)}.items():
        text = text.replace(name, value)
    config.write_text(text)
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
def test_two_processes_train_a_network_of_smp_as_one_that_is_given_the_batch_in_two(
    tmp_path: Path, films: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    losses, alone = train(tmp_path / "one", films, 1, 2, SMP)
    shared_losses, shared = train(tmp_path / "two", films, 2, 1, SMP)
    assert len(losses) == len(shared_losses) > 2
    np.testing.assert_allclose(shared_losses, losses, atol=LOSS_TOLERANCE, rtol=0)
    one, two = (load_file(folder / "epoch1.safetensors") for folder in (alone, shared))
    learnt = [name for name in one if "running" not in name and "batches_tracked" not in name]
    assert max(np.abs(one[name] - two[name]).max() for name in learnt) < WEIGHT_TOLERANCE


@pytest.mark.slow
def test_processes_whose_parts_hold_no_film_keep_in_step(tmp_path: Path, films: Path) -> None:
    """Four shares of a batch of three: one of them is empty, and its film counts for nothing."""
    losses, _ = train(tmp_path, films, 2, 2)
    assert np.isfinite(losses).all()
    assert len(losses) > 2
