"""Runs of stage 14 on a made-up data set, and stage 15 on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import hemorrhage_bag
from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.logs import set_up_logging
from hounsfield.hemorrhage.paths import PREDICTIONS, predictions_folder, run_folder
from synthetic_runs import DATA_SET, make_data_set, make_runs, toy_config, write_config

PROGRAM = Path(hemorrhage_bag.__file__)


def ready_to_bag(work):
    """Five folds and two epochs of one experiment."""
    make_data_set(work)
    config = toy_config()
    write_config(work / "configs", "crop", config)
    make_runs(work, "crop", config)
    return work


def linked_copy(work, target):
    """A copy made of links: files must be replaced, never written in place."""
    subprocess.run(["cp", "-rl", f"{work}/.", str(target)], check=True)
    return target


def bag(monkeypatch, work, *options, experiment="crop"):
    argv = ["hemorrhage_bag.py", "--config", str(work / f"configs/{experiment}.yaml"), "--work", str(work), *options]
    monkeypatch.setattr(sys, "argv", argv)
    set_up_logging()
    hemorrhage_bag.main()


def bagged_copy(ready, target):
    """A linked copy after stage 15."""
    work = linked_copy(ready, target)
    with pytest.MonkeyPatch.context() as patch:
        bag(patch, work)
    return work


def folder_of(work, experiment="crop"):
    return predictions_folder(work, experiment, DATA_SET, DATA_SET)


def read_submission(folder):
    return pd.read_csv(folder / "submission.csv.gz").set_index("ID")["Label"]


def read_runs(work, experiment="crop", folds=range(5), epochs=range(2)):
    return {
        (f, e): read_predictions(run_folder(folder_of(work, experiment), str(f), e) / PREDICTIONS, LABELS, remedy="")
        for f in folds
        for e in epochs
    }
