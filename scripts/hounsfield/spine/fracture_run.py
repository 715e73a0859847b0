"""One fracture network of stage 54: which it is, what it rests on, and where it goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.stages.command import SINGLE
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.outputs import Input, Provenance
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.core.storage.files import file_digest
from hounsfield.spine.commands import SpineCommand, folds_to_train, remedies
from hounsfield.spine.config import FractureModelConfig, NetworkConfig, SpineConfig, shaping_settings
from hounsfield.spine.paths import BOXES, FRACTURE, VERTEBRAE, boxes_folder, pseudo_labels_folder, run_folder

LIBRARIES = ("torch", "timm", "albumentations")


class NetworkKey(NamedTuple):
    """One network of stage 54, and the one of stage 55 that is made over it."""

    model: FractureModelConfig
    fold: str  # a number, or `all`
    seed: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.model.name} fold {self.fold} seed {self.seed}"


class Neck(NamedTuple):
    """What stages 52 and 53 have found in the studies that are trained on."""

    data: Upstream
    boxes: Upstream
    labels: Upstream  # pseudo-labels

    @property
    def inputs(self) -> dict[str, Input]:
        """For the provenance of what is trained on it."""
        named = {"data set": self.data, "boxes": self.boxes, "pseudo-labels": self.labels}
        return {name: one.as_input() for name, one in named.items()}


def open_boxes(command: SpineCommand, data: Upstream) -> Upstream:
    """The boxes of a data set's studies. Raises MissingInput or StaleOutput with the command that finds them."""
    folder = boxes_folder(command.work, data.folder.name, command.experiment)
    return require(command.work, folder, BOXES, remedies(command))


def open_neck(command: SpineCommand, data: Upstream) -> Neck:
    """The boxes and pseudo-labels of the training's data set. Raises MissingInput or StaleOutput with the commands."""
    folder = pseudo_labels_folder(command.work, data.folder.name, command.experiment)
    return Neck(data, open_boxes(command, data), require(command.work, folder, VERTEBRAE, remedies(command)))


def networks_to_train(command: SpineCommand, data: Upstream) -> list[NetworkKey]:
    """Each model's network of each fold, by its first seed, and of every study (`all`) those of every seed.

    Raises WrongUse where a model has no seed, or two have one name.
    """
    models = command.config.fracture.models
    for model in models:
        if not model.seeds or [one.name for one in models].count(model.name) > 1:
            raise WrongUse(f"fracture.models, {model.name}: give each model a name of its own and a seed or more")
    folds = folds_to_train(command, data, refit=command.config.fracture.refit)
    return [
        NetworkKey(model, fold, seed)
        for model in models
        for fold in folds
        for seed in (model.seeds if fold == SINGLE else model.seeds[:1])
    ]


@dataclass(frozen=True)
class FractureRun:
    """A network of stage 54, and with it where its files lie."""

    command: SpineCommand
    key: NetworkKey

    @property
    def config(self) -> SpineConfig:
        """The experiment's."""
        return self.command.config

    @property
    def folder(self) -> Path:
        """Its weights."""
        return run_folder(
            self.command.work, self.command.experiment, "fracture", self.key.model.name, self.key.fold, self.key.seed
        )

    @property
    def remedy(self) -> str:
        """The command that trains it."""
        return remedies(self.command)(FRACTURE)

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs."""
        windows = plain(self.config.windows)
        del windows["predict_step"]  # of windows that are scored
        return {
            "network": shaping_settings(self.key.model.network),
            "optimizer": plain(self.key.model.optimizer),
            "windows": windows,
            "intensity": plain(self.config.intensity),
            **run_settings(self.config, self.key),
        }

    def provenance(self, neck: Neck) -> Provenance:
        """What its weights depend on."""
        inputs = {**neck.inputs, **starting_weights(self.key.model.network)}
        return Provenance(FRACTURE, self.settings(), inputs, libraries=LIBRARIES)

    def learned(self, neck: Neck, train: pd.DataFrame) -> Ledger:
        """The patients that it has learnt from, and those that pseudo-labels and boxes were made from."""
        folds = sorted(set(train["fold"]))
        through = [seen_through(one, folds) for one in (neck.labels, neck.boxes)]
        return Ledger.joined([Ledger.of(self.config.data_set, train["patient_id"]), *through])

    def network(self) -> Upstream:
        """The trained network. Raises MissingInput or StaleOutput, with the command that trains it."""
        found = require(self.command.work, self.folder, FRACTURE, remedies(self.command))
        check_made(found, self.settings())
        return found


def run_settings(config: SpineConfig, key: NetworkKey) -> dict[str, Any]:
    """What tells a run of stages 54 and 55 from the others of its configuration."""
    return {"excluded": list(config.excluded), "fold": key.fold, "seeds": [config.seed, key.seed]}


def seeds_of(config: SpineConfig, key: NetworkKey) -> tuple[int, int, int]:
    """What all draws of a run follow from, with the epoch."""
    return config.seed, key.seed, 0 if key.fold == SINGLE else 1 + int(key.fold)


def starting_weights(config: NetworkConfig) -> dict[str, Input]:
    """The file that a slice network starts from, if it does, as an input."""
    return {} if config.weights is None else {"starting weights": Input(file_digest(Path(config.weights)))}


def seen_through(output: Upstream, folds: Iterable[int]) -> Ledger:
    """Whom the networks have seen that answer for studies of `folds` in an output."""
    rows = output.learned().rows
    return Ledger(rows[rows["part"].isin(["", *map(fold_part, folds)])]).upstream_of()


def split_studies(studies: pd.DataFrame, key: NetworkKey, excluded: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The studies to train on and those of the validation fold, which are none for `all`; no patient is in both.

    studies: the table of a data set. excluded: studies that are not trained on. Raises BadInput where none is left.
    """
    labelled = studies[studies["split"] == "train"]
    held_out = labelled["fold"].astype(str) == key.fold
    train, validation = labelled[~held_out & ~labelled["study_uid"].isin(list(excluded))], labelled[held_out]
    for name, part in (("to train on", train), ("to validate", validation)):
        if not len(part) and not (part is validation and key.fold == SINGLE):
            raise BadInput(
                f"{key.name}: the data set has no study {name}; prepare it with other folds, or leave it out"
            )
    return train, validation
