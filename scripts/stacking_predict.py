"""Predict held-out and test slices with the classifiers of the stacking system.

In: checkpoints/stacking/<experiment>/<network>/fold<k>/, data/<data set>/stacking/<experiment>/slices.parquet,
data/<data set>/hu/.
Out: preds/stacking/<experiment>/<network>/fold<k>_epoch<e>/predictions.parquet.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.predictions import OUT_OF_FOLD, TEST, is_finished, write_predictions
from hounsfield.core.errors import StaleOutput
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, differences
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.checkpoints import load_weights
from hounsfield.core.storage.files import file_digest, json_values
from hounsfield.core.training.blocks import join_blocks
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.core.training.networks import build_network
from hounsfield.stacking.config import DEFAULT_CONFIG, NetworkConfig, StackingConfig
from hounsfield.stacking.folds import add_fold_argument, chosen_folds
from hounsfield.stacking.images import SAMPLE_COLUMNS, open_prediction_images, prediction_seed
from hounsfield.stacking.inference import predict_blocks
from hounsfield.stacking.networks import add_network_argument, chosen_networks, training_settings
from hounsfield.stacking.paths import hu_folder, network_weights, predictions_path, stacking_slices_path
from hounsfield.stacking.tables import read_stacking_slices

RETRAIN = "sh bin/run_42_stacking_train.sh"


def main() -> None:
    """Predict with every checkpoint that is to be averaged."""
    parser = stage_parser(StackingConfig, "Predict held-out and test slices", default_config=DEFAULT_CONFIG)
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
    """Predict the fold's slices and the test slices with one checkpoint."""
    config, watch = command.config, Stopwatch()
    weights, facts = load_weights(
        network_weights(command.work, command.experiment, network.name, fold, epoch), remedy=RETRAIN
    )
    changes = differences(facts["network"], json_values(training_settings(config, network)))
    if changes:
        raise StaleOutput(f"{network.name} fold {fold} was trained otherwise ({', '.join(changes)}): {RETRAIN} --force")
    path = predictions_path(command.work, command.experiment, network.name, fold, epoch)
    manifest: dict[str, Any] = {
        "stage": "stacking_predict",
        "experiment": command.experiment,
        "data_set": config.data_set,
        "network": network.name,
        "fold": fold,
        "epoch": epoch,
        "settings": {**plain(config.prediction), "hu_noise": network.hu_noise_predicting, "seed": config.seed},
        "inputs": {
            "slices": file_digest(stacking_slices_path(command.work, config.data_set, command.experiment)),
            "weights": facts["sha256"],
        },
    }
    recipe = Recipe("stacking predictions", manifest["settings"], manifest["inputs"])
    with claimed(devices, path.parent, recipe, force=command.force):
        if is_finished(path, manifest):
            logger.info("%s fold %d epoch %d: nothing to do, %s is written", network.name, fold, epoch, path)
            return
        held_out = (slices["split"] == "train") & (slices["fold"] == fold)
        chosen = slices[(held_out | (slices["split"] == "test")) & slices["hu_crc32"].notna()]
        model = build_network(network.backbone, len(CLASSES))
        model.load_state_dict(weights)
        folder = hu_folder(command.work, config.data_set)
        seed = prediction_seed(config.seed, network.name, fold, epoch)
        images = open_prediction_images(chosen, folder, network, config.prediction, seed)
        array = path.with_suffix(".npy")
        starts = predict_blocks(array, devices.place(model), images, config.prediction, config.training, devices)
        devices.barrier()
        if devices.first:
            join_blocks(array, starts, len(chosen))
            write(path, chosen, open_array(array), manifest)
            array.unlink()
        devices.barrier()
    count = len(chosen) * config.prediction.passes
    summary(f"{network.name} fold {fold} epoch {epoch}", count, "images", watch.seconds)


def write(path: Path, slices: pd.DataFrame, probabilities: np.ndarray, manifest: dict[str, Any]) -> None:
    """Write one row a predicted slice."""
    frame = pd.DataFrame(probabilities, columns=list(CLASSES))
    frame.insert(0, "image_id", slices["image_id"].to_numpy())
    frame.insert(1, "split", np.where(slices["split"] == "test", TEST, OUT_OF_FOLD))
    write_predictions(path, frame, manifest)


if __name__ == "__main__":
    run(main)
