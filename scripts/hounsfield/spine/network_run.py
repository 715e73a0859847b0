"""The networks of stages 52 to 55: which there are, on which studies they learn, and where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import pandas as pd
from torch import nn

from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.stages.command import ALL, on_training_set
from hounsfield.core.stages.configuration import plain, shaping_settings
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.outputs import Provenance
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.core.storage.checkpoints import fill, load_weights
from hounsfield.core.training.backbones import check_backbone, starting_weights
from hounsfield.core.training.course import PlannedRun
from hounsfield.spine.config import NetworkConfig, OptimizerConfig, SpineConfig
from hounsfield.spine.nested import Folds, folds_of
from hounsfield.spine.paths import WEIGHTS, run_folder
from hounsfield.spine.remedies import SpineCommand, folds_to_train, remedies

NetworkT = TypeVar("NetworkT", bound=nn.Module)
LIBRARIES = ("torch", "timm", "albumentations")  # whose versions may change the weights


class _Model(Protocol):
    """What the configuration says of a network of any stage."""

    @property
    def name(self) -> str: ...
    @property
    def network(self) -> NetworkConfig: ...
    @property
    def optimizer(self) -> OptimizerConfig: ...


class NetworkKey(NamedTuple):
    """One network of stage 52, 53 or 54; of the last, also the one of stage 55 that is made over it."""

    model: _Model
    fold: str  # a number, two of them (`0+1`), or `all`
    seed: int

    @property
    def held_out(self) -> Folds:
        """The folds that it is not trained on."""
        return folds_of(self.fold)

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.model.name} fold {self.fold} seed {self.seed}"


@dataclass(frozen=True)
class NetworkRun:
    """A run of a stage, and with it where its files lie."""

    command: SpineCommand
    key: NetworkKey
    stage: ClassVar[str]  # its name
    place: ClassVar[str]  # of the folder of its weights

    @property
    def config(self) -> SpineConfig:
        """The experiment's."""
        return self.command.config

    @property
    def without(self) -> Folds:
        """The folds of which the boxes and pseudo-labels that it learns from know nothing."""
        return self.key.held_out if self.config.nested and self.needs_boxes else ()

    @property
    def excluded(self) -> tuple[str, ...]:
        """Studies that it is not trained on."""
        return self.config.excluded

    @property
    def needs_boxes(self) -> bool:
        """Whether it rests on stage 52."""
        return True

    @property
    def folder(self) -> Path:
        """Its weights."""
        command, key = self.command, self.key
        return run_folder(command.work, command.experiment, self.place, key.model.name, key.fold, key.seed)

    @property
    def remedy(self) -> str:
        """The command that trains it."""
        return remedies(on_training_set(self.command))(self.stage)

    @property
    def seeds(self) -> tuple[int, ...]:
        """What all its draws follow from, with the epoch."""
        return self.config.seed, self.key.seed, *([1 + fold for fold in self.key.held_out] or [0])

    @property
    def planned(self) -> PlannedRun:
        """What it asks of time and disk."""
        model = self.key.model
        cost = float(model.network.size**2)
        return PlannedRun(self.folder, model.optimizer.epochs, 1, cost=cost, network=model.name)

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs; each stage adds its own."""
        return {
            **({"nested": True} if self.without else {}),
            "network": shaping_settings(self.key.model.network),
            "intensity": plain(self.config.intensity),
            "excluded": list(self.excluded),
            "fold": self.key.fold,
            "seeds": [self.config.seed, self.key.seed],
        }

    def provenance(self, inputs: Mapping[str, Upstream]) -> Provenance:
        """What its weights depend on."""
        made_from = {name: one.as_input() for name, one in inputs.items()}
        made_from |= starting_weights(self.key.model.network.weights)
        return Provenance(self.stage, self.settings(), made_from, libraries=LIBRARIES)

    def network(self) -> Upstream:
        """The trained network. Raises MissingInput or StaleOutput, with the command that trains it."""
        found = require(self.command.work, self.folder, self.stage, remedies(on_training_set(self.command)))
        check_made(found, self.settings())
        return found


RunT_co = TypeVar("RunT_co", bound=NetworkRun, covariant=True)


class Trained(NamedTuple, Generic[RunT_co]):
    """A network that is trained, or another finished output of its run."""

    run: RunT_co
    output: Upstream


def with_weights(network: NetworkT, found: Upstream) -> NetworkT:
    """A network with what its training left, ready to predict. Raises BadInput unless each of its weights is there."""
    weights, _ = load_weights(found.file(WEIGHTS), remedy=found.remedy)
    fill(network, weights, source=found.folder / WEIGHTS)
    return network.eval()


def check_models(option: str, models: Sequence[_Model]) -> None:
    """Raise WrongUse, naming the option, without a model, where two have one name, or one's network does not exist."""
    names = [model.name for model in models]
    if not names or len(set(names)) < len(names):
        raise WrongUse(f"{option}: give one model or more, each with a name of its own")
    for model in models:
        check_backbone(model.network.backbone, model.network.size)


def networks_to_train(command: SpineCommand, data: Upstream) -> list[NetworkKey]:
    """Each model's network of each fold, by its first seed, and of every study (`all`) those of every seed."""
    return keys_of(command.config, folds_to_train(command, data, refit=command.config.fracture.refit))


def keys_of(config: SpineConfig, folds: Iterable[str]) -> list[NetworkKey]:
    """The networks of some folds, `all` among them."""
    return [
        NetworkKey(model, fold, seed)
        for model in config.fracture.models
        for fold in folds
        for seed in (model.seeds if fold == ALL else model.seeds[:1])
    ]


def split_studies(studies: pd.DataFrame, key: NetworkKey, excluded: Iterable[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The studies to train on and those of the validation fold, which are none for `all`; no patient is in both.

    studies: the table of a data set. excluded: studies that are not trained on. Raises BadInput where none is left.
    """
    labelled = studies[studies["split"] == "train"]
    held_out = labelled["fold"].isin(key.held_out)
    train, validation = labelled[~held_out & ~labelled["study_uid"].isin(list(excluded))], labelled[held_out]
    for name, part in (("to train on", train), ("to validate", validation)):
        if not len(part) and not (part is validation and key.fold == ALL):
            raise BadInput(
                f"{key.name}: the data set has no study {name}; prepare it with other folds, or leave it out"
            )
    return train, validation


def seen_through(output: Upstream, folds: Iterable[int]) -> Ledger:
    """Whom the networks have seen that answer for studies of `folds` in an output."""
    rows = output.learned().rows
    return Ledger(rows[rows["part"].isin(["", *map(fold_part, folds)])]).upstream_of()
