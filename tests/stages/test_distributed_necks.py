"""Two processes train localisers and ratio networks as one does, and find the same boxes and pseudo-labels.

The slice network has no batch statistics: in training they are of each process's own share.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import run_together
from safetensors.numpy import load_file

from spine.found_necks import found_boxes
from spine.made_data import DATA_SET, made_necks

CONFIG = """
data_set: made_necks
folds: [0, 1]
threads: 1
workers: 0
excluded: []
windows: {slices: 9, train_step: 3, predict_step: 6}
boxes:
  network: {backbone: test_convnext, size: 32}
  optimizer: {learning_rate: 1.0e-3, weight_decay: 0, epochs: 1, batch_size: 5}
  seeds: [0]
  refit: false
  batch_size: 4
vertebrae:
  models:
    - name: cropped
      network: {backbone: test_convnext, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 1, batch_size: 3}
      crop: true
  seeds: [0]
  head_dropout: 0.0
"""
LOSS_TOLERANCE, WEIGHT_TOLERANCE = 1e-5, 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("program", "place"), [("spine_boxes", "boxes"), ("spine_vertebrae", "pseudo_labels")])
def test_two_processes_train_and_answer_as_one(tmp_path: Path, program: str, place: str) -> None:
    """Batches of five or three, and smaller last ones, some without a box: the mean is over what the other has, too."""
    made = tmp_path / "made"
    made_necks(made, train=4, test=0, slices=(12, 15))
    if program == "spine_vertebrae":
        found_boxes(made, "necks")
    losses, tables, weights = [], [], []
    for processes in (1, 2):
        work = shutil.copytree(made, tmp_path / str(processes))
        config = work / "necks.yaml"
        config.write_text(CONFIG)
        log = tmp_path / f"losses{processes}.json"
        losses.append(run_together(processes, program, "--config", config, "--work", work, log=log))
        tables.append(pd.read_parquet(work / "data" / DATA_SET / place / "necks" / "rows.parquet"))
        weights.append([load_file(path) for path in sorted((work / "checkpoints").rglob("weights.safetensors"))])
    assert len(losses[0]) == len(losses[1]) >= 4
    np.testing.assert_allclose(losses[1], losses[0], atol=LOSS_TOLERANCE, rtol=0)
    for one, two in zip(*weights, strict=True):
        assert max(np.abs(one[name] - two[name]).max() for name in one) < WEIGHT_TOLERANCE
    numbers = [table.select_dtypes("number").to_numpy() for table in tables]
    np.testing.assert_allclose(numbers[1], numbers[0], atol=1e-4)
