"""Runs of stages 44 and 45 on the tables of a small first level, and what they leave."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from first_level import CONFIG, EXPERIMENT, arguments_for, open_slices
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.stacking.config import Booster
from hounsfield.stacking.paths import PREDICTIONS, second_level_folder
from hounsfield.stacking.second_level import SLICE_COLUMNS
from hounsfield.stacking.tables import read_stacking_slices
from killed_runs import files_left
from programs import run_program

BOOSTERS: tuple[Booster, ...] = ("lightgbm", "catboost", "xgboost")
ONE = ("--booster", "lightgbm", "--stopping", "nested")


def learn(work: Path, *extra: object, config=CONFIG) -> None:
    run_program("stacking_second_level", *arguments_for(work, config), *extra)


def average(work: Path, *extra: object, config=CONFIG) -> None:
    run_program("stacking_ensemble", *arguments_for(work, config), *extra)


def slices_of(work: Path) -> pd.DataFrame:
    return read_stacking_slices(open_slices(work), (*SLICE_COLUMNS, *CLASSES))


def read_table_of(work: Path, booster: str, stopping: str) -> pd.DataFrame:
    return read_predictions(second_level_folder(work, EXPERIMENT, booster, stopping) / PREDICTIONS, LABELS, remedy="")


def outcome(work: Path) -> dict[str, bytes]:
    return files_left(work / "checkpoints") | files_left(work / "preds")
