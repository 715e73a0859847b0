"""A made-up data set through stage 52 or 53, with networks that take seconds."""

from __future__ import annotations

from pathlib import Path

from programs import run_program

EXPERIMENT = "necks"
CONFIG = """
data_set: made_necks
folds: [0, 1]
threads: 1
workers: 0
save_every: 1
excluded: []
windows: {slices: 24, train_step: 8, predict_step: 12}
boxes:
  network: {backbone: test_resnet, size: 32}
  optimizer: {learning_rate: 3.0e-3, weight_decay: 0, epochs: 2, batch_size: 16}
  seeds: [0, 1]
  refit: false
vertebrae:
  models:
    - name: whole
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 3.0e-3, weight_decay: 5.0e-4, epochs: 1, batch_size: 4, accumulate: 2}
      crop: false
      keeps_bad_scans: true
    - name: sparse
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 3.0e-3, weight_decay: 5.0e-4, epochs: 1, batch_size: 3}
      crop: true
      sparse: 0.5
  seeds: [0]
"""


def run_stage(work: Path, program: str, *arguments: object, config: str = CONFIG) -> None:
    """Run a stage's program in `work`."""
    path = work / f"{EXPERIMENT}.yaml"
    path.write_text(config)
    run_program(program, "--config", path, "--work", work, *arguments)
