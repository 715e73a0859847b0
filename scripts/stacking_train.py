"""Train the classifiers of the stacking system, each held against one fold.

In: data/<data set>/stacking/<experiment>/slices.parquet, data/<data set>/hu/.
Out: checkpoints/stacking/<experiment>/<network>/fold<k>/epoch<e>.safetensors.
"""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.scores import score
from hounsfield.core.errors import BadInput
from hounsfield.core.logs import logger, set_up_logging
from hounsfield.core.stages.command import Command, parse, run, stage_parser
from hounsfield.core.stages.outputs import Recipe
from hounsfield.core.storage.files import file_digest
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.core.training.loop import Classifier, is_trained, train
from hounsfield.stacking.config import DEFAULT_CONFIG, NetworkConfig, StackingConfig
from hounsfield.stacking.folds import add_fold_argument, chosen_folds
from hounsfield.stacking.images import SAMPLE_COLUMNS, normalise, open_training_images, open_whole_images
from hounsfield.stacking.losses import stacking_loss
from hounsfield.stacking.networks import add_network_argument, chosen_networks, training_settings
from hounsfield.stacking.paths import hu_folder, network_folder, stacking_slices_path
from hounsfield.stacking.tables import read_stacking_slices

StackingCommand = Command[StackingConfig]


def main() -> None:
    """Train every epoch that is not there yet."""
    parser = stage_parser(StackingConfig, "Train the classifiers of one fold", default_config=DEFAULT_CONFIG)
    add_fold_argument(parser)
    add_network_argument(parser)
    command = parse(parser, StackingConfig, default_config=DEFAULT_CONFIG)
    config = command.config
    folds = chosen_folds(command.arguments.fold, config)
    networks = chosen_networks(command.arguments.network, config)
    columns = (*SAMPLE_COLUMNS, "split", "fold")
    slices = read_stacking_slices(command.work, config.data_set, command.experiment, columns)
    with open_devices(config.training.precision, config.threads) as devices:
        set_up_logging(rank=devices.rank)
        for network, fold in itertools.product(networks, folds):
            train_network(command, network, fold, slices, devices)


def train_network(
    command: StackingCommand, network: NetworkConfig, fold: int, slices: pd.DataFrame, devices: Devices
) -> None:
    """Train one classifier on the slices that show brain, but for those of the fold."""
    config = command.config
    settings = training_settings(config, network)
    inputs = {"slices": file_digest(stacking_slices_path(command.work, config.data_set, command.experiment))}
    if network.weights is not None:
        inputs["weights"] = file_digest(Path(network.weights))
    task = classifier(command, network, fold, settings)
    with claimed(devices, task.folder, Recipe("stacking", {**settings, "fold": fold}, inputs), force=command.force):
        if is_trained(task):
            logger.info("%s: nothing to do, %d epochs are trained", task.name, config.training.epochs)
            return
        usable = slices[(slices["split"] == "train") & slices["hu_crc32"].notna()]
        held_out = usable["fold"] == fold
        if held_out.all() or not held_out.any():
            raise BadInput(f"fold {fold} holds {held_out.sum()} of {len(usable)} labelled slices; too few for folds")
        folder = hu_folder(command.work, config.data_set)
        learnt = open_training_images(usable[~held_out], folder, network, config.training)
        train(task, learnt, open_whole_images(usable[held_out], folder, network), devices)


def classifier(command: StackingCommand, network: NetworkConfig, fold: int, settings: dict[str, Any]) -> Classifier:
    """What the training engine needs to know of one classifier."""
    config = command.config.training
    return Classifier(
        name=f"{network.name} fold {fold}",
        folder=network_folder(command.work, command.experiment, network.name, fold),
        backbone=network.backbone,
        pretrained=network.weights,
        classes=len(CLASSES),
        settings=config,
        seed=network.seed,
        normalise=partial(normalise, config=config),
        loss=stacking_loss,
        score=score,
        facts={"network": settings, "fold": fold},
        schedule=lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(
            optimizer, list(config.learning_rate_steps), config.learning_rate_factor
        ),
        drop_last=config.drop_last_batch,
    )


if __name__ == "__main__":
    run(main)
