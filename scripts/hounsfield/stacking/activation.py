"""Where this system's classifiers look on the slices of a series. N slices, C classes, G cells a side."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.core.imaging.heat import GRID
from hounsfield.core.stages.command import applied_to, on_training_set
from hounsfield.core.stages.upstream import reading, require
from hounsfield.core.training.devices import open_devices
from hounsfield.stacking.experiments import StackingCommand, open_stacking_data, remedies, stacking_folds
from hounsfield.stacking.images import IMAGE_COLUMNS, HuFolder, normalise, open_whole_images
from hounsfield.stacking.inference import load_classifier
from hounsfield.stacking.paths import TRAIN, hu_folder, network_folder
from hounsfield.stacking.tables import read_stacking_slices


def series_activations(command: StackingCommand, stage: str, images: pd.Series) -> np.ndarray:
    """The maps of the slices of one series, the mean over the classifiers that answer for it: (N, C, G, G) float32.

    Of each network and fold the last epoch that is used, on the slice without random changes; 0 for slices that show
    too little brain to be predicted. stage: that asks. images: (N,) image_id. Raises MissingInput or StaleOutput where
    a classifier is not there.
    """
    from hounsfield.core.training.activation import activations_of_slices  # captum takes a second to import

    config, remedy_of = command.config, remedies(on_training_set(command))
    with (
        open_stacking_data(command, stage) as data,
        open_devices(config.prediction.precision, config.threads) as devices,
    ):
        table = (
            read_stacking_slices(data, (*IMAGE_COLUMNS, "split", "fold")).set_index("image_id", drop=False).loc[images]
        )
        seen, names = table["hu_crc32"].notna().to_numpy(), label_set_of(data).names
        folds = stacking_folds(command, data)
        own = table["fold"][table["split"] != "test"].dropna().astype(int).unique().tolist()
        if not applied_to(command) and len(own) == 1 and own[0] in folds:
            folds = own
        source, maps = HuFolder(hu_folder(command.work, command.data_set), data.remedy), []
        for network, fold in itertools.product(config.networks if seen.any() else (), folds):
            folder = network_folder(command.work, command.experiment, network.name, fold)
            with reading(folder):
                classifier = require(command.work, folder, TRAIN, remedy_of)
                model = load_classifier(network, classifier, max(config.prediction.epochs), len(names), devices)
            slices = open_whole_images(table[seen], source, network)
            scaled = partial(normalise, config=config.training)
            maps.append(activations_of_slices(model, slices, scaled, len(names), devices))
    found = np.zeros((len(table), len(names), GRID, GRID), np.float32)
    if maps:
        found[seen] = np.mean(maps, axis=0)
    return found
