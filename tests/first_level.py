"""A small data set and the classifiers' tables of predictions, as stages 41 and 43 leave them, without any image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import slices_path
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA, read_slices
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, write_predictions
from hounsfield.core.stages.command import save_config
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.tables import write_table
from hounsfield.stacking.config import (
    CatBoostConfig,
    DataConfig,
    LightGBMConfig,
    NetworkConfig,
    PredictionConfig,
    SecondLevelConfig,
    StackingConfig,
    XGBoostConfig,
)
from hounsfield.stacking.ensemble import CnnTable, expected_tables
from hounsfield.stacking.paths import stacking_slices_path
from hounsfield.stacking.tables import STACKING_SCHEMA, read_stacking_slices, stacking_slices
from synthetic_runs import guesses, make_data_set

EXPERIMENT = "tiny"
LENGTHS = (1, 2, 9, 14)  # slices of a study; they take turns
CONFIG = StackingConfig(
    data_set="toy",
    folds=(0, 1, 2),
    threads=1,
    data=DataConfig(fold_count=3),
    networks=tuple(
        NetworkConfig(name=name, backbone="none", size=32, seed=1, hu_noise=0, hu_noise_predicting=0)
        for name in ("small", "large")
    ),
    prediction=PredictionConfig(epochs=(2, 3)),
    second_level=SecondLevelConfig(
        lightgbm=LightGBMConfig(rounds=12, patience=4, learning_rate=0.2, num_leaves=6),
        catboost=CatBoostConfig(rounds=12, patience=4, learning_rate=0.3),
        xgboost=XGBoostConfig(rounds=12, patience=4, learning_rate=0.3, max_depth=3),
    ),
)
Change = Callable[[pd.DataFrame], pd.DataFrame]


def make_slices(work: Path, *, patients: int = 60, test_patients: int = 8) -> pd.DataFrame:
    """Write the prepared slices and this system's; some without a bleed have too little brain for an image."""
    table = make_data_set(work, CONFIG.data_set, patients=patients, test_patients=test_patients, slices=max(LENGTHS))
    length = np.array(LENGTHS)[table["series"].to_numpy() % len(LENGTHS)]
    table = table[table["order"].to_numpy() < length].reset_index(drop=True)
    rng = np.random.default_rng(3)
    no_brain = (rng.random(len(table)) < 0.25) & (table["any"] != 1)
    table["brain_diff"] = np.where(no_brain, 30.0, 75.0)
    table["brain_ratio"] = rng.random(len(table))
    write_table(slices_path(work, CONFIG.data_set), table.astype(object), SLICE_SCHEMA)
    return write_stacking_slices(work)


def write_stacking_slices(work: Path, change: Change = lambda table: table) -> pd.DataFrame:
    """The stacking slices of the prepared ones, with something changed."""
    prepared = read_slices(work, CONFIG.data_set)
    checksums = pd.Series(np.arange(len(prepared)), prepared["image_id"])
    table = change(stacking_slices(prepared, checksums, CONFIG.data))
    path = stacking_slices_path(work, CONFIG.data_set, EXPERIMENT)
    write_table(path, table.astype(object).where(table.notna(), None), STACKING_SCHEMA)
    return read_stacking_slices(work, CONFIG.data_set, EXPERIMENT)


def all_tables(work: Path) -> list[CnnTable]:
    """The classifiers' tables that the configuration asks for."""
    return expected_tables(work, EXPERIMENT, CONFIG, CONFIG.folds)


def make_table(work: Path, table: CnnTable, change: Change = lambda frame: frame, **facts: object) -> None:
    """Write one of the classifiers' tables; change: what is different in it, facts: in its manifest."""
    slices = read_stacking_slices(work, CONFIG.data_set, EXPERIMENT)
    is_test = slices["split"] == "test"
    seed = 100 * table.epoch + 10 * table.fold + (table.network == "large")
    logits = guesses(slices, sharpness=2, noise=2, seed=seed)
    frame = pd.DataFrame(1 / (1 + np.exp(-logits)), columns=list(CLASSES))
    frame = frame.assign(image_id=slices["image_id"], split=np.where(is_test, TEST, OUT_OF_FOLD))
    frame = frame[(is_test | (slices["fold"] == table.fold)) & slices["hu_crc32"].notna()]
    manifest = {
        "stage": "stacking_predict",
        "experiment": EXPERIMENT,
        "data_set": CONFIG.data_set,
        "network": table.network,
        "fold": table.fold,
        "epoch": table.epoch,
        "settings": {"passes": 5},
        "inputs": {"slices": file_digest(stacking_slices_path(work, CONFIG.data_set, EXPERIMENT)), "weights": "0"},
    }
    write_predictions(table.path, LABELS, change(frame), manifest | facts)


def make_first_level(work: Path) -> tuple[str, ...]:
    """Slices, all tables and the configuration; returns the arguments that the programs take for them."""
    make_slices(work)
    for table in all_tables(work):
        make_table(work, table)
    return arguments_for(work)


def arguments_for(work: Path, config: StackingConfig = CONFIG) -> tuple[str, ...]:
    """Write the configuration; returns the arguments that the programs take for it."""
    path = work / f"{EXPERIMENT}.yaml"
    save_config(path, config)
    return ("--config", str(path), "--work", str(work))
