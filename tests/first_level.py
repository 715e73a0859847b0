"""A small data set and the classifiers' tables of predictions, as stages 41 and 43 leave them, without any image."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import PREPARE, SLICES, data_folder
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA, read_slices
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, write_predictions
from hounsfield.core.stages.command import parse, stage_parser
from hounsfield.core.stages.configuration import save_config
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, require
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
from hounsfield.stacking.ensemble import CnnTable, open_first_level
from hounsfield.stacking.experiments import data_settings
from hounsfield.stacking.network_settings import prediction_settings, training_settings
from hounsfield.stacking.paths import (
    DATA,
    PREDICT,
    PREDICTIONS,
    TRAIN,
    network_folder,
    network_predictions_folder,
    stacking_data_folder,
)
from hounsfield.stacking.tables import read_stacking_slices, stacking_schema, stacking_slices
from programs import load_program
from synthetic_runs import guesses, make_data_set, open_toy

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
    folder = data_folder(work, CONFIG.data_set)
    with output(folder, Provenance(PREPARE, {"fold_count": 5}, {}), force=True, remedy="") as out:
        write_table(folder / SLICES, table.astype(object), SLICE_SCHEMA)
        out.finish([SLICES])
    return write_stacking_slices(work)


def open_slices(work: Path) -> Upstream:
    """The experiment's slices as a stage opens them."""
    return require(work, stacking_data_folder(work, CONFIG.data_set, EXPERIMENT), DATA, str)


def write_stacking_slices(work: Path, change: Change = lambda table: table) -> pd.DataFrame:
    """The stacking slices of the prepared ones, with something changed."""
    data = open_toy(work, CONFIG.data_set)
    prepared = read_slices(data)
    checksums = pd.Series(np.arange(len(prepared)), prepared["image_id"])
    table = change(stacking_slices(LABELS, prepared, checksums, CONFIG.data))
    folder = stacking_data_folder(work, CONFIG.data_set, EXPERIMENT)
    provenance = Provenance(DATA, dict(data_settings(CONFIG.data)), {"data set": data.as_input()})
    with output(folder, provenance, force=True, remedy="") as out:
        write_table(folder / SLICES, table.astype(object).where(table.notna(), None), stacking_schema(LABELS))
        out.finish([SLICES])
    return read_stacking_slices(open_slices(work))


def all_tables(work: Path, folds: tuple[int, ...] = CONFIG.folds) -> list[CnnTable]:
    """The classifiers' tables that the configuration asks for, as stage 44 opens them."""
    stage = load_program("stacking_second_level").STAGE
    command = parse(stage_parser(stage), stage, list(arguments_for(work)))
    return open_first_level(command, open_slices(work), folds)


def make_table(
    work: Path,
    place: int,
    change: Change = lambda frame: frame,
    *,
    settings: dict[str, object] | None = None,
    learned: Ledger | None = None,
) -> None:
    """Write one of the classifiers' tables, counted from 0 as `all_tables` has them.

    change: what is different in it; settings: in its record; learned: whom its classifier has seen, if not all but the
    patients of its fold.
    """
    network, fold, epoch = PLACES[place]
    data = open_slices(work)
    slices = read_stacking_slices(data)
    is_test = slices["split"] == "test"
    logits = guesses(slices, sharpness=2, noise=2, seed=100 * epoch + 10 * fold + (network.name == "large"))
    frame = pd.DataFrame(1 / (1 + np.exp(-logits)), columns=list(CLASSES))
    frame = frame.assign(image_id=slices["image_id"], split=np.where(is_test, TEST, OUT_OF_FOLD))
    frame = frame[(is_test | (slices["fold"] == fold)) & slices["hu_crc32"].notna()]
    seen = slices["patient_id"][~is_test & (slices["fold"] != fold) & slices["fold"].notna()]
    learned = Ledger.of(CONFIG.data_set, seen) if learned is None else learned
    folder = network_folder(work, EXPERIMENT, network.name, fold)
    provenance = Provenance(TRAIN, training_settings(CONFIG, network, fold), {"stacking data": data.as_input()})
    with output(folder, provenance, force=True, remedy="") as out:
        (folder / "weights").write_text(f"{network.name} {fold}")
        out.finish(["weights"], learned=learned)
    inputs = {"stacking data": data.as_input(), "classifier": require(work, folder, TRAIN, str).as_input()}
    folder = network_predictions_folder(work, EXPERIMENT, network.name, fold, epoch)
    own = prediction_settings(CONFIG, network, fold, epoch) | (settings or {})
    with output(folder, Provenance(PREDICT, own, inputs), force=True, remedy="") as out:
        write_predictions(folder / PREDICTIONS, LABELS, change(frame))
        out.finish([PREDICTIONS], learned=learned)


PLACES = list(itertools.product(CONFIG.networks, CONFIG.folds, CONFIG.prediction.epochs))


def make_first_level(work: Path) -> tuple[str, ...]:
    """Slices, all tables and the configuration; returns the arguments that the programs take for them."""
    make_slices(work)
    for place in range(len(PLACES)):
        make_table(work, place)
    return arguments_for(work)


def arguments_for(work: Path, config: StackingConfig = CONFIG) -> tuple[str, ...]:
    """Write the configuration; returns the arguments that the programs take for it."""
    path = work / f"{EXPERIMENT}.yaml"
    save_config(path, config)
    return ("--config", str(path), "--work", str(work))
