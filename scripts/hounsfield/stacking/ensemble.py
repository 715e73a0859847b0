"""The classifiers' predictions of one experiment, averaged: the first level. Read by stages 44 and 45.

N slices in the order of the stacking slices, C classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.predictions import Rows, mean_of_tables
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.stacking.config import NetworkConfig
from hounsfield.stacking.experiments import StackingCommand, remedies
from hounsfield.stacking.network_settings import prediction_settings, training_settings
from hounsfield.stacking.paths import PREDICT, PREDICTIONS, network_predictions_folder

SHOWN = 10  # names in a message


class CnnTable(NamedTuple):
    """The predictions by one checkpoint of one classifier."""

    network: str
    fold: int
    epoch: int
    output: Upstream

    @property
    def name(self) -> str:
        """Short and unique, for records and messages."""
        return table_name(self.network, self.fold, self.epoch)


class FirstLevel(NamedTuple):
    """Means of probabilities, each (N, C) float64; NaN for labelled slices of folds without tables.

    A labelled slice is predicted by the classifiers of the fold that holds its patient out, a test slice by all.
    """

    networks: dict[str, np.ndarray]  # by name, over epochs; of test slices over folds, too
    ensemble: np.ndarray  # over the networks as well


def table_name(network: str, fold: int, epoch: int) -> str:
    """The name of one checkpoint's predictions among the inputs of what is made from them."""
    return f"predictions {network} fold {fold} epoch {epoch}"


def open_first_level(command: StackingCommand, data: Upstream, folds: Sequence[int]) -> list[CnnTable]:
    """Every table that belongs into the ensemble, in a fixed order. What else lies in the folder does not matter.

    Raises MissingInput naming all that are not there or not finished, and StaleOutput where one was made otherwise than
    the configuration says, or from something else than there is now.
    """
    epochs = dict.fromkeys(command.config.prediction.epochs)
    wanted = list(itertools.product(command.config.networks, folds, epochs))
    folders = [table_folder(command, *one) for one in wanted]
    missing = [
        f"{table_name(network.name, fold, epoch)}: {folder}"
        for (network, fold, epoch), folder in zip(wanted, folders, strict=True)
        if read_record(folder) is None
    ]
    if missing:
        raise MissingInput(
            f"{len(missing)} of {len(wanted)} tables of predictions are missing or not finished:\n{_lines(missing)}\n"
            f"Make them with: {remedies(command)(PREDICT)}"
        )
    return [open_table(command, data, *one) for one in wanted]


def table_folder(command: StackingCommand, network: NetworkConfig, fold: int, epoch: int) -> Path:
    """Where one checkpoint's predictions lie."""
    return network_predictions_folder(command.work, command.experiment, network.name, fold, epoch, applied_to(command))


def open_table(command: StackingCommand, data: Upstream, network: NetworkConfig, fold: int, epoch: int) -> CnnTable:
    """One checkpoint's predictions, held against what the configuration says of them and of their classifier."""
    found = require(command.work, table_folder(command, network, fold, epoch), PREDICT, remedies(command))
    check_made(
        found,
        prediction_settings(command.config, network, fold, epoch),
        settings_of={"classifier": training_settings(command.config, network, fold)},
        made_from={"stacking data": data},
    )
    return CnnTable(network.name, fold, epoch, found)


def first_level_ledger(tables: Sequence[CnnTable]) -> Ledger:
    """Whom the classifiers have seen: those of each fold as one part of it."""
    return Ledger.joined([table.output.learned().rows.assign(part=fold_part(table.fold)) for table in tables])


def read_first_level(label_set: LabelSet, tables: Sequence[CnnTable], slices: pd.DataFrame) -> FirstLevel:
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
        of_network.setdefault(table.network, []).append((table.output.file(PREDICTIONS), positions))
    remedy = tables[0].output.remedy
    networks = {name: mean_of_tables(label_set, own, rows, remedy=remedy) for name, own in of_network.items()}
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
