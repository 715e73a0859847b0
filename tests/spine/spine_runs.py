"""A small run on made-up necks, of its last stages alone or of all, and what starts a program on it."""

from __future__ import annotations

from pathlib import Path

from found_necks import found_boxes, found_pseudo_labels

from programs import run_program
from spine.made_data import made_necks

NAME = "small"
CONFIG = """
data_set: made_necks
folds: [0, 1]
threads: 1
workers: 0
excluded: []
prepare: {fold_count: 2}
windows: {slices: 12, train_step: 12, predict_step: 12}
boxes:
  network: {backbone: test_resnet, size: 32}
  optimizer: {learning_rate: 1.0e-3, weight_decay: 0, epochs: 1, batch_size: 8}
  seeds: [0]
  refit: false
vertebrae:
  models:
    - name: cropped
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 0, epochs: 1, batch_size: 4}
      crop: true
  seeds: [0]
fracture:
  models:
    - name: one
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 1, batch_size: 4}
      seeds: [7]
    - name: two
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 1, batch_size: 4}
      seeds: [8]
  refit: false
study:
  optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 1, batch_size: 2}
  hidden: 8
  steps: 6
"""


def start(work: Path, program: str, *arguments: object) -> None:
    """Run a program of this system on the small run."""
    run_program(f"spine_{program}", "--config", work / f"{NAME}.yaml", "--work", work, *arguments)


def small_run(work: Path) -> Path:
    """A work folder with all that stages 51 to 55 leave: six studies with labels, and one to answer for.

    Boxes and pseudo-labels are the true ones, but for the ratio networks, which have learnt nothing.
    """
    made_necks(work, unsegmented=2)
    (work / f"{NAME}.yaml").write_text(CONFIG)
    found_boxes(work, NAME)
    start(work, "vertebrae")
    found_pseudo_labels(work, NAME)
    start(work, "fracture")
    start(work, "study")
    return work


def whole_run(work: Path) -> None:
    """Stages 52 to 56 on six studies with labels, four of them segmented, and one to answer for."""
    made_necks(work, unsegmented=2)
    (work / f"{NAME}.yaml").write_text(CONFIG)
    for stage in ("boxes", "vertebrae", "fracture", "study", "predict"):
        start(work, stage)
