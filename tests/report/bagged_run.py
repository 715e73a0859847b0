"""A finished bag of synthetic runs, for reports."""

from __future__ import annotations

from pathlib import Path

from hounsfield.hemorrhage.paths import predictions_folder
from programs import run_program
from synthetic_runs import DATA_SET, make_data_set, make_runs, toy_config, write_config

EXPERIMENT = "crop"


def make_bag(work: Path, *, patients: int = 40, slices: int = 6, epochs: int = 2) -> Path:
    """Five folds of made-up predictions, bagged and scored as stage 15 does it; returns the run's folder."""
    make_data_set(work, patients=patients, slices=slices)
    config = toy_config(epochs=epochs)
    path = write_config(work / "configs", EXPERIMENT, config)
    make_runs(work, EXPERIMENT, config)
    run_program("hemorrhage_bag", "--config", path, "--work", work)
    return predictions_folder(work, EXPERIMENT, DATA_SET, DATA_SET)
