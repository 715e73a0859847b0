"""Stages 54 and 55 learn what is there to learn: a dark cleft through a vertebra, on necks that they have not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from found_necks import found_boxes, found_pseudo_labels

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES
from hounsfield.competitions.rsna2022.submission import best_constant
from hounsfield.competitions.rsna2022.tables import open_data_set, read_studies
from hounsfield.core.evaluation.metrics import auc_by_class
from hounsfield.core.evaluation.predictions import read_predictions
from programs import run_program
from spine.made_data import DATA_SET, made_necks

CONFIG = """
data_set: made_necks
folds: [0]
threads: 1
workers: 0
windows: {slices: 24, train_step: 6, predict_step: 12}
fracture:
  models:
    - name: small
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 3.0e-3, weight_decay: 5.0e-4, epochs: 12, batch_size: 8}
      seeds: [0]
  refit: false
study:
  optimizer: {learning_rate: 2.0e-3, weight_decay: 5.0e-4, epochs: 6, batch_size: 4}
  hidden: 32
  steps: 24
"""


@pytest.mark.slow
def test_fractures_of_unseen_necks_are_told_better_than_by_the_best_constant(tmp_path: Path) -> None:
    made_necks(tmp_path, train=63, test=1, folds=3)
    found_boxes(tmp_path, "necks")
    found_pseudo_labels(tmp_path, "necks")
    (tmp_path / "necks.yaml").write_text(CONFIG)
    for program in ("spine_fracture", "spine_study"):
        run_program(program, "--config", tmp_path / "necks.yaml", "--work", tmp_path)
    studies = read_studies(open_data_set(tmp_path, DATA_SET, lambda stage, *_: stage))
    held_out = studies[studies["fold"] == 0]
    folder = tmp_path / "preds" / "spine" / "necks" / "study" / "small" / "fold0_seed0"
    found = read_predictions(folder / "rows.parquet", LABELS, remedy="")[list(NAMES)].to_numpy()
    labels = held_out[list(NAMES)].to_numpy(np.float64)
    constant = np.broadcast_to(best_constant(labels), labels.shape)  # of the very studies that are scored
    losses, areas = [LABELS.loss(one, labels).mean() for one in (found, constant)], auc_by_class(found, labels)
    assert losses[0] < 0.9 * losses[1]
    assert areas[0] > 0.8
