"""The classifiers' predictions of one experiment, averaged: the first level. Read by stages 44 and 45.

N slices in the order of the stacking slices, C = 6 classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput
from hounsfield.core.evaluation.predictions import Rows, manifest_path, mean_of_tables, read_manifest
from hounsfield.core.stages.outputs import differences
from hounsfield.core.storage.files import file_digest
from hounsfield.stacking.config import StackingConfig
from hounsfield.stacking.paths import predictions_path, stacking_slices_path

PREDICT = "sh bin/run_43_stacking_predict.sh"
SHOWN = 10  # lines in a message


class CnnTable(NamedTuple):
    """The predictions by one checkpoint of one classifier."""

    network: str
    fold: int
    epoch: int
    path: Path

    @property
    def name(self) -> str:
        """Short and unique, for manifests and messages."""
        return f"{self.network} fold {self.fold} epoch {self.epoch}"


class FirstLevel(NamedTuple):
    """Means of probabilities, each (N, C) float64; NaN for labelled slices of folds without tables.

    A labelled slice is predicted by the classifiers of the fold that holds its patient out, a test slice by all.
    """

    networks: dict[str, np.ndarray]  # by name, over epochs; of test slices over folds, too
    ensemble: np.ndarray  # over the networks as well


def expected_tables(work: Path, experiment: str, config: StackingConfig, folds: Sequence[int]) -> list[CnnTable]:
    """Every table that belongs into the ensemble, in a fixed order. What else lies in the folder does not matter."""
    return [
        CnnTable(network.name, fold, epoch, predictions_path(work, experiment, network.name, fold, epoch))
        for network in config.networks
        for fold in folds
        for epoch in dict.fromkeys(config.prediction.epochs)
    ]


def check_inputs(work: Path, experiment: str, config: StackingConfig, folds: Sequence[int]) -> dict[str, str]:
    """Digests of all that the second level learns from: the stacking slices, and each table by its name.

    Raises MissingInput or StaleOutput naming what is at fault.
    """
    digest = file_digest(stacking_slices_path(work, config.data_set, experiment))
    tables = expected_tables(work, experiment, config, folds)
    return {"slices": digest, **check_tables(tables, experiment, config.data_set, digest)}


def check_tables(tables: Sequence[CnnTable], experiment: str, data_set: str, slices_digest: str) -> dict[str, str]:
    """Digests of all tables, by name, after making sure that they belong together.

    Raises MissingInput naming those that are not there or not finished, and StaleOutput naming those that were made
    for something else, from other slices than there are now, or otherwise than the same network's first one.
    """
    missing = [f"{table.name}: {table.path}" for table in tables if not manifest_path(table.path).exists()]
    if missing:
        raise MissingInput(
            f"predictions of {len(missing)} of {len(tables)} checkpoints are missing or not finished:\n"
            f"{_lines(missing)}\nMake them with: {PREDICT}"
        )
    digests: dict[str, str] = {}
    settings: dict[str, Any] = {}
    stale = []
    for table in tables:
        manifest = read_manifest(table.path, remedy=PREDICT)
        inputs = manifest.get("inputs")
        found = {key: manifest.get(key) for key in ("stage", "experiment", "data_set", "network", "fold", "epoch")}
        found |= {"settings": manifest.get("settings"), "slices": inputs.get("slices") if inputs else None}
        expected = {
            "stage": "stacking_predict",
            "experiment": experiment,
            "data_set": data_set,
            "network": table.network,
            "fold": table.fold,
            "epoch": table.epoch,
            "settings": settings.setdefault(table.network, manifest.get("settings")),
            "slices": slices_digest,
        }
        stale += [f"{table.path}: {change}" for change in differences(found, expected)]
        digests[table.name] = manifest["sha256"]
    if stale:
        raise StaleOutput(
            f"predictions are mixed or stale (found -> expected now):\n{_lines(stale)}\n"
            f"Make them anew with: {PREDICT} --force"
        )
    return digests


def read_first_level(tables: Sequence[CnnTable], slices: pd.DataFrame) -> FirstLevel:
    """Read the tables one after another and average them.

    slices: N rows with image_id, split, fold and hu_crc32.
    A slice without an image in Hounsfield units shows no brain, and no classifier has seen it: it takes the class's
    minimum over the slices of its own kind, out-of-fold or test. Raises BadInput when a table holds other slices than
    those of its fold and the test slices that have an image, as all others do.
    """
    is_test = (slices["split"] == "test").to_numpy()
    fold = slices["fold"].to_numpy(np.float64)
    has_image = slices["hu_crc32"].notna().to_numpy()
    rows = Rows(slices["image_id"].to_numpy(), is_test)
    of_network: dict[str, list[tuple[Path, np.ndarray]]] = {}
    for table in tables:
        positions = np.flatnonzero(has_image & (is_test | (fold == table.fold)))
        of_network.setdefault(table.network, []).append((table.path, positions))
    networks = {name: mean_of_tables(LABELS, own, rows, remedy=PREDICT) for name, own in of_network.items()}
    ensemble = np.mean(list(networks.values()), axis=0)
    averaged = np.isin(fold, list({table.fold for table in tables})) | np.isnan(fold)  # of no fold: without brain
    kinds = {"test": is_test, "held-out": averaged & ~is_test}
    filled = {name: fill_minimum(mean, kinds) for name, mean in networks.items()}
    return FirstLevel(filled, fill_minimum(ensemble, kinds))


def fill_minimum(predictions: np.ndarray, kinds: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of NaN replaced by each class's minimum over the predicted rows of the same kind.

    predictions: (N, C). kinds: which rows are of each, (N,) bool by name; rows of none stay as they are.
    """
    filled = predictions.copy()
    unknown = np.isnan(predictions).any(axis=1)
    for name, kind in kinds.items():
        if not (unknown & kind).any():
            continue
        if not (~unknown & kind).any():
            raise BadInput(f"no {name} slice has a prediction: there is no minimum that the others could take")
        filled[unknown & kind] = predictions[~unknown & kind].min(axis=0)
    return filled


def _lines(facts: Sequence[str]) -> str:
    more = [f"and {len(facts) - SHOWN} more"] if len(facts) > SHOWN else []
    return "\n".join(f"  {fact}" for fact in [*facts[:SHOWN], *more])
