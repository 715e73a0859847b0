"""Predict validation and test slices with the classifiers of the stacking system.

In: checkpoints/stacking/<experiment>/<network>/fold<k>/, data/<data set>/stacking/<experiment>/slices.parquet,
data/<data set>/hu/.
Out: preds/stacking/<experiment>/<network>/fold<k>_epoch<e>/predictions.parquet.
"""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.core.errors import StaleOutput
from hounsfield.core.evaluation.predictions import is_finished, write_predictions
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, differences
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.checkpoints import load_weights
from hounsfield.core.storage.files import file_digest, json_values
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.core.training.networks import build_network
from hounsfield.stacking.config import DEFAULT_CONFIG, NetworkConfig, StackingConfig
from hounsfield.stacking.folds import add_fold_argument, chosen_folds
from hounsfield.stacking.images import SAMPLE_COLUMNS, open_prediction_images, prediction_seed
from hounsfield.stacking.inference import predict_slices, predictions_table
from hounsfield.stacking.networks import add_network_argument, chosen_networks, training_settings
from hounsfield.stacking.paths import hu_folder, network_weights, predictions_path, stacking_slices_path
from hounsfield.stacking.tables import read_stacking_slices

RETRAIN = "sh bin/run_42_stacking_train.sh"


def main() -> None:
    """Predict with every checkpoint that is to be averaged."""
    parser = stage_parser(StackingConfig, "Predict validation and test slices", default_config=DEFAULT_CONFIG)
    add_fold_argument(parser)
    add_network_argument(parser)
    command = parse(parser, StackingConfig, default_config=DEFAULT_CONFIG)
    config = command.config
    folds = chosen_folds(command.arguments.fold, config)
    networks = chosen_networks(command.arguments.network, config)
    columns = (*SAMPLE_COLUMNS, "split", "fold")
    slices = read_stacking_slices(command.work, config.data_set, command.experiment, columns)
    with open_devices(config.prediction.precision, config.threads) as devices:
        set_up_logging(rank=devices.rank)
        for network, fold, epoch in itertools.product(networks, folds, config.prediction.epochs):
            predict(command, network, fold, epoch, slices, devices)


def predict(
    command: Command[StackingConfig],
    network: NetworkConfig,
    fold: int,
    epoch: int,
    slices: pd.DataFrame,
    devices: Devices,
) -> None:
    """Predict the slices of the validation fold and the test slices with one checkpoint."""
    config, watch, name = command.config, Stopwatch(), f"{network.name} fold {fold} epoch {epoch}"
    weights_path = network_weights(command.work, command.experiment, network.name, fold, epoch)
    weights, facts = load_weights(weights_path, remedy=RETRAIN)
    changes = differences(facts["network"], json_values(training_settings(config, network)))
    if changes:
        raise StaleOutput(f"{network.name} fold {fold} was trained otherwise ({', '.join(changes)}): {RETRAIN} --force")
    path = predictions_path(command.work, command.experiment, network.name, fold, epoch)
    manifest = manifest_of(command, network, fold, epoch, facts["sha256"])
    recipe = Recipe("stacking predictions", manifest["settings"], manifest["inputs"])
    with claimed(devices, path.parent, recipe, force=command.force):
        if is_finished(path, manifest):
            logger.info("%s: nothing to do, %s is written", name, path)
            return
        validation = (slices["split"] == "train") & (slices["fold"] == fold)
        chosen = slices[(validation | (slices["split"] == "test")) & slices["hu_crc32"].notna()]
        model = build_network(network.backbone, len(CLASSES))
        model.load_state_dict(weights)
        folder, settings = hu_folder(command.work, config.data_set), config.prediction
        seed = prediction_seed(config.seed, network.name, fold, epoch)
        images = open_prediction_images(chosen, folder, network, settings, seed)
        array = path.with_suffix(".npy")
        predict_slices(array, devices.place(model), images, settings, config.training, devices)
        if devices.first:
            write_predictions(path, LABELS, predictions_table(chosen, open_array(array)), manifest)
            array.unlink()
        devices.barrier()
    summary(name, len(chosen) * config.prediction.passes, "images", watch.seconds)


def manifest_of(
    command: Command[StackingConfig], network: NetworkConfig, fold: int, epoch: int, weights: str
) -> dict[str, Any]:
    """What the predictions rest on. weights: their digest."""
    config = command.config
    return {
        "stage": "stacking_predict",
        "experiment": command.experiment,
        "data_set": config.data_set,
        "network": network.name,
        "fold": fold,
        "epoch": epoch,
        "settings": {**plain(config.prediction), "hu_noise": network.hu_noise_predicting, "seed": config.seed},
        "inputs": {
            "slices": file_digest(stacking_slices_path(command.work, config.data_set, command.experiment)),
            "weights": weights,
        },
    }


if __name__ == "__main__":
    run(main)
