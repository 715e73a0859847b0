"""The classifiers, each without its validation fold (stage 42)."""

from __future__ import annotations

import itertools

import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.core.counts import count_of
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.kept_configs import keep_config
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.backbones import check_backbone, print_backbones, starting_weights
from hounsfield.core.training.classifier import train_classifier
from hounsfield.core.training.course import Course, PlannedRun
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.stacking.config import NetworkConfig
from hounsfield.stacking.experiments import StackingCommand, open_stacking_data, remedies, stacking_folds
from hounsfield.stacking.images import IMAGE_COLUMNS, HuFolder, open_training_images, open_whole_images
from hounsfield.stacking.network_settings import chosen_networks, training_settings
from hounsfield.stacking.paths import TRAIN, hu_folder, network_folder
from hounsfield.stacking.tables import read_stacking_slices
from hounsfield.stacking.training import classifier_of, split_slices

COLUMNS = (*IMAGE_COLUMNS, "split", "fold", "patient_id")


def train_networks(command: StackingCommand) -> None:
    """Train every epoch that is not there yet."""
    if command.arguments.list_backbones:
        print_backbones(command.arguments.list_backbones)
        return
    config, networks = command.config, chosen_networks(command.arguments.network, command.config)
    if applied_to(command):
        logger.info("nothing to train: %s is predicted by the classifiers of %s", command.data_set, config.data_set)
        return
    for network in networks:
        check_backbone(network.backbone, network.size)
    with (
        open_stacking_data(command, TRAIN) as data,
        open_devices(config.training.precision, config.threads) as devices,
    ):
        names = label_set_of(data).names
        folds, slices = stacking_folds(command, data), read_stacking_slices(data, (*COLUMNS, *names))
        runs, epochs = list(itertools.product(networks, folds)), config.training.epochs
        planned = [
            PlannedRun(
                network_folder(command.work, command.experiment, network.name, fold), epochs, kept=epochs,
                cost=network.size**2, network=network.name,
            )
            for network, fold in runs
        ]  # fmt: skip
        course = Course(planned, force=command.force)
        for network, fold in runs:
            train_network(command, network, fold, data, slices, devices, course)
        keep_config(command, "stacking", trained=course.begun, first=devices.first)


def train_network(
    command: StackingCommand,
    network: NetworkConfig,
    fold: int,
    data: Upstream,
    slices: pd.DataFrame,
    devices: Devices,
    course: Course,
) -> None:
    """Train one classifier, unless every epoch is there."""
    config = command.config
    folder = network_folder(command.work, command.experiment, network.name, fold)
    inputs = {"stacking data": data.as_input(), **starting_weights(network.weights)}
    provenance = Provenance(TRAIN, training_settings(config, network, fold), inputs, libraries=("torch",))
    remedy = remedies(command)(TRAIN)
    with output(folder, provenance, force=command.force, remedy=remedy, processes=devices) as out:
        label_set = label_set_of(data)
        task = classifier_of(config, network, folder, fold, label_set)
        if out.finished:
            logger.info("%s: nothing to do, trained for %s", task.name, count_of(config.training.epochs, "epochs"))
            return
        train, validation = split_slices(slices, fold)
        source = HuFolder(hu_folder(command.work, command.data_set), data.remedy)
        images = open_training_images(train, source, network, config.training, label_set.names)
        scored = open_whole_images(validation, source, network, label_set.names)
        train_classifier(task, images, scored, devices, course)
        facts = {"trained_on": data.record["facts"].get("trained_on"), **label_facts(data)}
        out.finish(task.files(), learned=Ledger.of(command.data_set, train["patient_id"]), facts=facts)
