"""The networks whose maps are averaged: the epochs that one part of each fold's training kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from torch import nn

from hounsfield.competitions.siim2019.paths import PREPARE
from hounsfield.competitions.siim2019.tables import TEST_FOLD
from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput, StaleOutput, WrongUse
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.core.training.devices import Devices
from hounsfield.pneumothorax.choice import OF_TEST
from hounsfield.pneumothorax.config import PneumothoraxConfig
from hounsfield.pneumothorax.inference import Networks
from hounsfield.pneumothorax.maps import FilmRows
from hounsfield.pneumothorax.networks import build
from hounsfield.pneumothorax.part_run import PartRun, kept_epochs, load_part
from hounsfield.pneumothorax.paths import TRAIN
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, remedies


class Checkpoints(NamedTuple):
    """The checkpoints of one fold that are averaged."""

    part: Upstream
    epochs: list[int]  # the best first


def mapped_part(config: PneumothoraxConfig) -> int:
    """The part whose checkpoints are averaged. Raises WrongUse where there is no such part."""
    count = len(config.training.parts)
    part = count - 1 if config.maps.part is None else config.maps.part
    if not 0 <= part < count:
        raise WrongUse(f"maps.part {part}: training.parts has 0 to {count - 1}")
    return part


def open_checkpoints(command: PneumothoraxCommand, data: Upstream, folds: Sequence[int]) -> dict[int, Checkpoints]:
    """The checkpoints of each fold, trained as the configuration says, and on these films unless others are predicted.

    Raises MissingInput or StaleOutput, with the commands that train them, or that prepare the films as for training.
    """
    top, found, made_from = command.config.maps.top, {}, {} if applied_to(command) else {"data set": data}
    for fold in folds:
        task = PartRun(command, data, fold, mapped_part(command.config))
        part = require(command.work, task.folder, TRAIN, remedies(command))
        check_made(part, task.settings(), made_from=made_from)
        refuse_other_size(command, data, part)
        epochs = [one.epoch for one in kept_epochs(part)][:top]
        if len(epochs) < top:
            logger.info("%s kept %s, averaged", task.name, count_of(len(epochs), "epochs"))
        found[fold] = Checkpoints(part, epochs)
    return found


def refuse_other_size(command: PneumothoraxCommand, data: Upstream, part: Upstream) -> None:
    """Raise StaleOutput where films are prepared at another size than those that a network was trained on."""
    own, trained = (one["settings"].get("image_size") for one in (data.record, part.record["inputs"]["data set"]))
    if own != trained:
        anew = remedies(command)(PREPARE, "--prepare.image_size", str(trained))
        raise StaleOutput(
            f"{data.folder} is prepared at {own} pixels, and {part.folder} was trained on films of {trained}; prepare "
            f"it anew: {anew} --force"
        )


def load_networks(
    found: Mapping[int, Checkpoints], config: PneumothoraxConfig, devices: Devices, fold: int
) -> Networks:
    """The networks whose mean the films of `fold` get: its own; those of all folds for test films."""
    members: list[nn.Module] = []
    for one in found.values() if fold == TEST_FOLD else [found[fold]]:
        for epoch in one.epochs:
            network = build(config.network)
            load_part(network, config, one.part, epoch)
            members.append(devices.place(network).eval())
    return Networks(config.network, members)


def maps_ledger(found: Mapping[int, Checkpoints]) -> Ledger:
    """Whom the networks behind each fold's maps, and behind those of the test films, have seen."""
    ledgers = {fold: one.part.learned() for fold, one in found.items()}
    own = [ledger.as_part(fold_part(fold)) for fold, ledger in ledgers.items()]
    return Ledger.joined([*own, *(ledger.as_part(OF_TEST) for ledger in ledgers.values())])


def refuse_seen(ledger: Ledger, rows: FilmRows, remedy: str) -> None:
    """Raise BadInput where networks have learnt from a patient whose film is to get an out-of-fold map from them.

    That a fold has chosen their epochs (early_stop) is the published recipe, and is named where they are scored.
    """
    held_out = rows.folds != TEST_FOLD
    patients = rows.films["patient_id"].to_numpy()[held_out]
    roles = ledger.roles_by_fold(patients, rows.folds[held_out])
    learnt = np.isin(roles.astype(str), ["train", "upstream"])
    if learnt.any():
        raise BadInput(
            f"{len(set(patients[learnt]))} patients whose films are held out were learnt from by the networks of their "
            f"fold, so that their maps would not be out-of-fold. Train anew: {remedy} --force"
        )
