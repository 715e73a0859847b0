"""The classifiers' predictions of validation and test slices (stage 43)."""

from __future__ import annotations

import itertools

import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.predictions import write_predictions
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.stacking.config import NetworkConfig
from hounsfield.stacking.ensemble import table_folder
from hounsfield.stacking.experiments import StackingCommand, open_stacking_data, remedies, stacking_folds
from hounsfield.stacking.images import IMAGE_COLUMNS, HuFolder, open_prediction_images, prediction_seed
from hounsfield.stacking.inference import load_classifier, predict_slices, predictions_table, slices_to_predict
from hounsfield.stacking.network_settings import chosen_networks, prediction_settings, training_settings
from hounsfield.stacking.paths import PREDICT, PREDICTIONS, TRAIN, hu_folder, network_folder
from hounsfield.stacking.tables import read_stacking_slices


def predict_networks(command: StackingCommand) -> None:
    """Predict with every checkpoint that is to be averaged."""
    config, networks = command.config, chosen_networks(command.arguments.network, command.config)
    with (
        open_stacking_data(command, PREDICT) as data,
        open_devices(config.prediction.precision, config.threads) as devices,
    ):
        folds, slices = stacking_folds(command, data), read_stacking_slices(data, (*IMAGE_COLUMNS, "split", "fold"))
        for network, fold in itertools.product(networks, folds):
            folder = network_folder(command.work, command.experiment, network.name, fold)
            classifier = require(command.work, folder, TRAIN, remedies(command))
            made_from = {} if applied_to(command) else {"stacking data": data}
            check_made(classifier, training_settings(config, network, fold), made_from=made_from)
            for epoch in dict.fromkeys(config.prediction.epochs):
                predict(command, network, fold, epoch, data, classifier, slices, devices)


def predict(
    command: StackingCommand,
    network: NetworkConfig,
    fold: int,
    epoch: int,
    data: Upstream,
    classifier: Upstream,
    slices: pd.DataFrame,
    devices: Devices,
) -> None:
    """Predict the slices of the validation fold and the test slices with one checkpoint."""
    config, watch, name = command.config, Stopwatch(), f"{network.name} fold {fold} epoch {epoch}"
    folder = table_folder(command, network, fold, epoch)
    inputs = {"stacking data": data.as_input(), "classifier": classifier.as_input()}
    provenance = Provenance(PREDICT, prediction_settings(config, network, fold, epoch), inputs, libraries=("torch",))
    remedy = remedies(command)(PREDICT)
    with output(folder, provenance, force=command.force, remedy=remedy, processes=devices) as out:
        if out.finished:
            logger.info("%s: nothing to do, %s is written", name, folder / PREDICTIONS)
            return
        label_set = label_set_of(data)
        chosen = slices_to_predict(slices, fold)
        if chosen.empty:
            least = f"brain_diff above {config.data.brain_diff_above:g} HU"
            raise BadInput(
                f"{data.folder / SLICES}: none of {len(slices)} slices shows brain ({least}) to be predicted"
            )
        source = HuFolder(hu_folder(command.work, command.data_set), data.remedy)
        seed = prediction_seed(config.seed, network.name, fold, epoch)
        images = open_prediction_images(chosen, source, network, config.prediction, seed)
        array = out.unfinished / "predictions.npy"
        classes = len(label_set.names)
        model = load_classifier(network, classifier, epoch, classes, devices)
        predict_slices(array, model, images, config.prediction, config.training, devices, classes)
        if devices.first:
            write_predictions(folder / PREDICTIONS, label_set, predictions_table(label_set, chosen, open_array(array)))
        out.finish([PREDICTIONS], learned=classifier.learned(), facts=label_facts(data))
    summary(name, len(chosen) * config.prediction.passes, "images", watch.seconds)
