"""One part of one fold's training: what it starts from, what it rests on, and where it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from hounsfield.competitions.siim2019.tables import ALWAYS_TRAINED
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.stages.command import check_name
from hounsfield.core.stages.configuration import plain, shaping_settings
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.checkpoints import load_weights, weights_name
from hounsfield.core.storage.files import read_json
from hounsfield.core.training.backbones import starting_weights
from hounsfield.core.training.kept_epochs import KeptEpoch
from hounsfield.pneumothorax.config import PartConfig, PneumothoraxConfig
from hounsfield.pneumothorax.networks import build, check_size
from hounsfield.pneumothorax.paths import TOP, TRAIN, part_folder
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, command_of, remedies

INITIAL = "initial"
START = re.compile(r"(?:(?P<experiment>[^/]+)/)?part(?P<part>\d+)")


@dataclass(frozen=True)
class PartRun:
    """Which part of which fold it is, and with it where its files lie."""

    command: PneumothoraxCommand
    data: Upstream
    fold: int
    part: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"fold {self.fold} part {self.part}"

    @property
    def config(self) -> PneumothoraxConfig:
        """The experiment's."""
        return self.command.config

    @property
    def own(self) -> PartConfig:
        """What is particular to this part."""
        return self.config.training.parts[self.part]

    @property
    def folder(self) -> Path:
        """Its weights."""
        return part_folder(self.command.work, self.command.experiment, self.fold, self.part)

    @property
    def remedy(self) -> str:
        """The command that trains it, and it alone."""
        return remedies(self.command)(TRAIN, "--part", str(self.part))

    @property
    def seeds(self) -> tuple[int, int, int]:
        """What all its draws follow from, with the epoch."""
        return self.config.seed, self.fold, self.part

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs."""
        return {
            "network": shaping_settings(self.config.network),
            "training": shaping_settings(self.config.training, "parts"),
            "part": plain(self.own),
            "fold": self.fold,
            "seed": self.config.seed,
        }

    def start(self) -> Upstream | None:
        """The finished part whose best weights it starts from; None: the initial ones.

        Raises MissingInput or StaleOutput with the command that trains that part.
        """
        if self.own.start == INITIAL:
            return None
        experiment, part = start_of(self.own, self.part)
        command = self.command if experiment is None else command_of(self.command, experiment)
        folder = part_folder(command.work, command.experiment, self.fold, part)
        return require(command.work, folder, TRAIN, lambda stage, *_: remedies(command)(stage, *_part_of(stage, part)))

    def provenance(self, start: Upstream | None) -> Provenance:
        """What its weights depend on."""
        inputs = {"data set": self.data.as_input()}
        inputs |= {"starting part": start.as_input()} if start else starting_weights(self.config.network.weights)
        libraries = ("torch", "timm", "segmentation-models-pytorch", "albumentations")
        return Provenance(TRAIN, self.settings(), inputs, libraries=libraries)

    def learned(self, train: pd.DataFrame, validation: pd.DataFrame, start: Upstream | None) -> Ledger:
        """The patients that it has learnt from.

        Those of the validation fold choose the epochs and where to stop, unless the last epochs are kept.
        """
        parts = [Ledger.of(self.config.data_set, train["patient_id"])]
        if self.own.kept == "best":
            parts.append(Ledger.of(self.config.data_set, validation["patient_id"], "early_stop"))
        if start is not None:
            parts.append(start.learned())  # one network, trained on: roles stay what they were
        return Ledger.joined(parts)


def start_of(config: PartConfig, part: int) -> tuple[str | None, int]:
    """The experiment (None: this one) and the part that a part starts from. Raises WrongUse."""
    found = START.fullmatch(config.start)
    if found is None or (found["experiment"] is None and int(found["part"]) >= part):
        earlier = f"part0 to part{part - 1}, " if part else ""
        raise WrongUse(
            f"training.parts, part {part}: start {config.start!r} is not {INITIAL}, {earlier}or <experiment>/part<p>"
        )
    experiment = found["experiment"]
    return None if experiment is None else check_name(experiment, "start"), int(found["part"])


def check_parts(config: PneumothoraxConfig) -> None:
    """Raise WrongUse, naming the part, where settings contradict each other."""
    if config.blend:
        raise WrongUse("blend: the maps of other experiments are averaged; a blend trains nothing. Train those")
    if not config.training.parts or not config.training.triplets:
        raise WrongUse("training.parts and training.triplets: give at least one of each")
    with torch.device("meta"):  # without its numbers
        build(config.network)
    for number, part in enumerate(config.training.parts):
        if part.start != INITIAL:
            start_of(part, number)
        check_size(config.network, part.size)
        if part.kept == "last" and part.schedule == "plateau":
            raise WrongUse(f"training.parts, part {number}: kept: last needs a schedule that no score changes")


def split_films(films: pd.DataFrame, fold: int, *, extra_films: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The films to train on and those of the validation fold; no patient is in both.

    films: the table with its own numbering. extra_films: train on those that no fold validates, too. Raises BadInput
    where one of the two has no film that shows a pneumothorax.
    """
    labelled = films[films["split"] == "train"]
    in_fold = labelled["fold"] == fold
    used = ~in_fold if extra_films else ~in_fold & (labelled["fold"] != ALWAYS_TRAINED)
    train, validation = labelled[used], labelled[in_fold]
    for name, part in (("the training films", train), ("the validation films", validation)):
        if not (part["label"] == 1).any():
            raise BadInput(
                f"fold {fold}: {name} ({len(part)}) hold none that shows a pneumothorax; prepare the data set with "
                "fewer folds, or leave this fold out"
            )
    return train, validation


def kept_epochs(part: Upstream) -> list[KeptEpoch]:
    """The epochs that a finished part has kept, the best first."""
    return [KeptEpoch(one["epoch"], one["score"]) for one in read_json(part.file(TOP))]


def load_part(network: nn.Module, config: PneumothoraxConfig, part: Upstream, epoch: int) -> None:
    """Load a finished part's weights after one of its epochs into a network of this configuration.

    Raises BadInput where it was trained as another network, or on films that were normalised otherwise.
    """
    path = part.file(weights_name(epoch))
    part.file(path.with_suffix(".json").name)
    weights, facts = load_weights(path, remedy=part.remedy)
    then, now = facts["network"], shaping_settings(config.network)
    other = [name for name in ("name", "encoder", "decoder_channels", "normalise") if _differ(then[name], now[name])]
    if other:
        listing = ", ".join(f"network.{name} {then[name]} -> {now[name]}" for name in other)
        raise BadInput(f"{path} was trained otherwise than this configuration says (then -> now): {listing}")
    network.load_state_dict(weights)


def _part_of(stage: str, part: int) -> tuple[str, ...]:
    return ("--part", str(part)) if stage == TRAIN else ()


def _differ(then: Any, now: Any) -> bool:
    return (tuple(then) if isinstance(then, list) else then) != now
