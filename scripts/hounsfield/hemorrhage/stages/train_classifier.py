"""The slice classifier, fold after fold (stage 12)."""

from __future__ import annotations

import pandas as pd

from hounsfield.competitions.rsna2019.domain import DOMAIN_COLUMNS, training_facts
from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.competitions.rsna2019.paths import IMAGES, SLICES
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.counts import count_of
from hounsfield.core.errors import MissingInput
from hounsfield.core.logs import logger
from hounsfield.core.stages.configuration import shaping_settings
from hounsfield.core.stages.kept_configs import keep_config
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.training.backbones import check_backbone, print_backbones, starting_weights
from hounsfield.core.training.classifier import train_classifier
from hounsfield.core.training.course import Course, PlannedRun
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.hemorrhage.images import IMAGE_COLUMNS, open_slice_images
from hounsfield.hemorrhage.paths import TRAIN_CLASSIFIER, classifier_folder
from hounsfield.hemorrhage.remedies import HemorrhageCommand, data_set_folds, remedies
from hounsfield.hemorrhage.training import classifier_of, split_slices


def train_classifiers(command: HemorrhageCommand) -> None:
    """Train every fold that is not there yet."""
    if command.arguments.list_backbones:
        print_backbones(command.arguments.list_backbones)
        return
    check_backbone(command.config.classifier.backbone, command.config.classifier.size)
    with open_devices(command.config.classifier.precision, command.config.threads) as devices:
        data = open_data_set(command.work, command.data_set, remedies(command))
        with reading(data.folder):
            names = label_set_of(data).names
            slices = read_slices(
                data, tuple(dict.fromkeys((*IMAGE_COLUMNS, *DOMAIN_COLUMNS, *names, "split", "fold", "patient_id")))
            )
            slices = slices[slices["split"] == "train"]
            if slices.empty:
                raise MissingInput(f"{data.folder / SLICES} holds no labelled slices to train on")
            folds = data_set_folds(command, data, TRAIN_CLASSIFIER)
            epochs = command.config.classifier.epochs
            folders = [classifier_folder(command.work, command.experiment, fold) for fold in folds]
            course = Course([PlannedRun(folder, epochs, kept=epochs) for folder in folders], force=command.force)
            for fold in folds:
                train_fold(command, data, slices, fold, devices, course)
            keep_config(command, "hemorrhage", trained=course.begun, first=devices.first)


def train_fold(
    command: HemorrhageCommand, data: Upstream, slices: pd.DataFrame, fold: str, devices: Devices, course: Course
) -> None:
    """Train one fold's classifier, unless it is there. slices: the labelled ones."""
    config, folder = command.config, classifier_folder(command.work, command.experiment, fold)
    task = classifier_of(config, folder, fold, label_set_of(data))
    remedy = remedies(command)(TRAIN_CLASSIFIER)
    claim = output(folder, provenance(command, data, fold), force=command.force, remedy=remedy, processes=devices)
    with claim as out:
        if out.finished:
            logger.info("%s: nothing to do, trained for %s", task.name, count_of(task.settings.epochs, "epochs"))
            return
        train, validation = split_slices(slices, fold, config.classifier.sanity_slices)
        names = label_set_of(data).names
        opened = [
            open_slice_images(
                part, data.folder / IMAGES, config.classifier, config.seed, names=names, remedy=data.remedy
            )
            for part in (train, validation)
        ]
        train_classifier(task, opened[0], opened[1], devices, course)
        facts = {"trained_on": training_facts(data, train), **label_facts(data)}
        out.finish(task.files(), learned=Ledger.of(command.data_set, train["patient_id"]), facts=facts)


def provenance(command: HemorrhageCommand, data: Upstream, fold: str) -> Provenance:
    """What the weights depend on."""
    config = command.config
    inputs = {"data set": data.as_input(), **starting_weights(config.classifier.weights)}
    settings = {**shaping_settings(config.classifier), "fold": fold, "seed": config.seed}
    return Provenance(TRAIN_CLASSIFIER, settings, inputs, libraries=("torch", "timm"))
