"""Train the slice classifier of one fold.

In: data/<data set>/slices.parquet and images/. Out: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors.
"""

from __future__ import annotations

from pathlib import Path

from hounsfield.competitions.rsna2019.paths import images_folder, slices_path
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import MissingInput
from hounsfield.core.logs import logger, set_up_logging
from hounsfield.core.stages.command import Command, parse, run, stage_parser
from hounsfield.core.stages.outputs import Recipe
from hounsfield.core.storage.files import file_digest
from hounsfield.core.training.batches import SliceImages
from hounsfield.core.training.classifier import train_classifier
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig
from hounsfield.hemorrhage.folds import add_fold_argument, check_folds
from hounsfield.hemorrhage.images import SAMPLE_COLUMNS, open_slice_images
from hounsfield.hemorrhage.paths import classifier_folder
from hounsfield.hemorrhage.training import classifier_of, shaping_settings, split_slices

HemorrhageCommand = Command[HemorrhageConfig]


def main() -> None:
    """Train every epoch that is not there yet."""
    parser = stage_parser(HemorrhageConfig, "Train the slice classifier of one fold", default_config=DEFAULT_CONFIG)
    add_fold_argument(parser)
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    folds = check_folds(command.arguments.fold, command.config)
    with open_devices(command.config.classifier.precision, command.config.threads) as devices:
        set_up_logging(rank=devices.rank)
        for fold in folds:
            train_fold(command, fold, devices)


def train_fold(command: HemorrhageCommand, fold: str, devices: Devices) -> None:
    """Train one fold's classifier, unless every epoch is there."""
    task = classifier_of(command.config, classifier_folder(command.work, command.experiment, fold), fold)
    with claimed(devices, task.folder, training_recipe(command, fold), force=command.force):
        if task.is_trained():
            logger.info("%s: nothing to do, %d epochs are trained", task.name, task.settings.epochs)
            return
        train_classifier(task, *open_images(command, fold), devices)


def training_recipe(command: HemorrhageCommand, fold: str) -> Recipe:
    """What the weights depend on."""
    config = command.config
    inputs = {"slices.parquet": file_digest(slices_path(command.work, config.data_set))}
    if config.classifier.weights is not None:
        inputs["weights"] = file_digest(Path(config.classifier.weights))
    return Recipe("classifier", {**shaping_settings(config), "fold": fold, "seed": config.seed}, inputs)


def open_images(command: HemorrhageCommand, fold: str) -> tuple[SliceImages, SliceImages]:
    """The images to train on and those of the validation fold."""
    config, folder = command.config, images_folder(command.work, command.config.data_set)
    slices = read_slices(command.work, config.data_set, (*SAMPLE_COLUMNS, "split", "fold"))
    slices = slices[slices["split"] == "train"]
    if slices.empty:
        raise MissingInput(f"{slices_path(command.work, config.data_set)} holds no labelled slices to train on")
    train, validation = split_slices(slices, fold, config.classifier.sanity_slices)
    return (
        open_slice_images(train, folder, config.classifier, config.seed),
        open_slice_images(validation, folder, config.classifier, config.seed),
    )


if __name__ == "__main__":
    run(main)
