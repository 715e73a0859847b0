"""Two processes train stages 54 and 55 as one does.

The slice network normalises each image by itself: batch statistics would be of each process's own share.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from found_necks import found_boxes, found_pseudo_labels
from safetensors.numpy import load_file

from hounsfield.competitions.rsna2022.labels import LABELS
from hounsfield.core.evaluation.predictions import read_predictions
from spine.made_data import made_necks
from stages.processes import run_together

CONFIG = """
data_set: made_necks
folds: [0]
threads: 1
workers: 0
windows: {slices: 12, train_step: 12, predict_step: 12}
fracture:
  models:
    - name: small
      network: {backbone: test_convnext, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 2, batch_size: 3}
      seeds: [0]
  refit: false
study:
  optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 3, batch_size: 3}
  hidden: 8
"""
PLACE = Path("checkpoints", "spine", "necks")
RUN = Path("small", "fold0_seed0")


def train(work: Path, stage: str, processes: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The loss of every step, and the weights."""
    log = work / f"{stage}{processes}.json"
    losses = run_together(processes, f"spine_{stage}", "--config", work / "necks.yaml", "--work", work, log=log)
    return np.array(losses), load_file(work / PLACE / stage / RUN / "weights.safetensors")


@pytest.mark.slow
def test_two_processes_train_and_predict_as_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    made_necks(one, train=8)
    found_boxes(one, "necks")
    found_pseudo_labels(one, "necks")
    (one / "necks.yaml").write_text(CONFIG)
    shutil.copytree(one, two)
    for stage in ("fracture", "study"):
        (losses, weights), (shared_losses, shared) = train(one, stage, 1), train(two, stage, 2)
        np.testing.assert_allclose(shared_losses, losses, atol=1e-5, rtol=0)
        assert max(np.abs(weights[name] - shared[name]).max() for name in weights) < 1e-4
        shutil.rmtree(two / PLACE)
        shutil.copytree(one / PLACE, two / PLACE)  # the same network of 54 below both of 55
    tables = [work / "preds" / "spine" / "necks" / "study" / RUN / "rows.parquet" for work in (one, two)]
    found = [read_predictions(path, LABELS, remedy="")[list(LABELS.names)].to_numpy() for path in tables]
    np.testing.assert_allclose(found[1], found[0], atol=1e-5, rtol=0)
