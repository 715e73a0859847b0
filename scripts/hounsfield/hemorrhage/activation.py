"""Where this system's classifiers look on the slices of a series. N slices, C classes, G cells a side."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import IMAGES
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.stages.command import on_training_set
from hounsfield.core.stages.upstream import Upstream, reading, require
from hounsfield.core.training.devices import open_devices
from hounsfield.hemorrhage.config import extracted_epochs
from hounsfield.hemorrhage.images import IMAGE_COLUMNS, cuts_seen, normalise, open_slice_images
from hounsfield.hemorrhage.inference import load_classifier
from hounsfield.hemorrhage.paths import BAG, TRAIN_CLASSIFIER, classifier_folder
from hounsfield.hemorrhage.remedies import HemorrhageCommand, data_set_folds, remedies

COLUMNS = (*IMAGE_COLUMNS, "rows", "columns", "split", "fold")


def series_activations(command: HemorrhageCommand, data: Upstream, images: pd.Series) -> np.ndarray:
    """The maps of the slices of one series, the mean over the classifiers that answer for it: (N, C, G, G) float32.

    Of each fold the classifier of the last epoch that is used, on the slice as it is: one pass per slice and fold,
    where the answers took one for each epoch and view as well. images: (N,) image_id. Raises MissingInput or
    StaleOutput where a classifier is not there.
    """
    from hounsfield.core.training.activation import activations_of_slices  # captum takes a second to import

    config = command.config
    table, maps = read_slices(data, COLUMNS).set_index("image_id", drop=False).loc[images], []
    with open_devices(config.classifier.precision, config.threads) as devices:
        for fold in _folds_that_answer(command, data, table):
            folder = classifier_folder(command.work, command.experiment, fold)
            classifier = require(command.work, folder, TRAIN_CLASSIFIER, remedies(on_training_set(command)))
            with reading(folder):
                network, trained = load_classifier(classifier, max(extracted_epochs(config)), devices)
            slices = open_slice_images(table, data.folder / IMAGES, trained, config.seed, remedy=data.remedy)
            cuts = cuts_seen(table, data.folder / IMAGES, trained, data.remedy)
            classes, scaled = len(label_set_of(classifier).names), partial(normalise, config=trained)
            maps.append(activations_of_slices(network, slices, scaled, classes, devices, cuts))
    found: np.ndarray = np.mean(maps, axis=0)
    return found


def _folds_that_answer(command: HemorrhageCommand, data: Upstream, table: pd.DataFrame) -> list[str]:
    """The fold that holds the patient out, of a patient to be trained on; all folds of others."""
    folds = data_set_folds(command, data, BAG)
    own = table["fold"][table["split"] != "test"].dropna().astype(int).astype(str).unique()
    trained = command.data_set == command.config.data_set and len(own) == 1 and own[0] in folds
    return [str(own[0])] if trained else folds
