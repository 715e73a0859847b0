"""Train the classifiers of the stacking system, each without its validation fold.

In: data/<data set>/stacking/<experiment>/slices.parquet, data/<data set>/hu/.
Out: checkpoints/stacking/<experiment>/<network>/fold<k>/epoch<e>.safetensors.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd

from hounsfield.core.logs import logger, set_up_logging
from hounsfield.core.stages.command import Command, parse, run, stage_parser
from hounsfield.core.stages.outputs import Recipe
from hounsfield.core.storage.files import file_digest
from hounsfield.core.training.classifier import train_classifier
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.stacking.config import DEFAULT_CONFIG, NetworkConfig, StackingConfig
from hounsfield.stacking.folds import add_fold_argument, chosen_folds
from hounsfield.stacking.images import SAMPLE_COLUMNS, open_training_images, open_whole_images
from hounsfield.stacking.networks import add_network_argument, chosen_networks, training_settings
from hounsfield.stacking.paths import hu_folder, network_folder, stacking_slices_path
from hounsfield.stacking.tables import read_stacking_slices
from hounsfield.stacking.training import classifier_of, split_slices

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
    """Train one classifier, unless every epoch is there."""
    config = command.config
    task = classifier_of(config, network, network_folder(command.work, command.experiment, network.name, fold), fold)
    with claimed(devices, task.folder, training_recipe(command, network, fold), force=command.force):
        if task.is_trained():
            logger.info("%s: nothing to do, %d epochs are trained", task.name, config.training.epochs)
            return
        train, validation = split_slices(slices, fold)
        folder = hu_folder(command.work, config.data_set)
        images = open_training_images(train, folder, network, config.training)
        train_classifier(task, images, open_whole_images(validation, folder, network), devices)


def training_recipe(command: StackingCommand, network: NetworkConfig, fold: int) -> Recipe:
    """What the weights depend on."""
    config = command.config
    inputs = {"slices": file_digest(stacking_slices_path(command.work, config.data_set, command.experiment))}
    if network.weights is not None:
        inputs["weights"] = file_digest(Path(network.weights))
    return Recipe("stacking", {**training_settings(config, network), "fold": fold}, inputs)


if __name__ == "__main__":
    run(main)
