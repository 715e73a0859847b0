"""Train the slice classifier of one fold.

In: data/<data set>/slices.parquet and images/. Out: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from hounsfield.competitions.rsna2019.held_out import ALL
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import images_folder, slices_path
from hounsfield.competitions.rsna2019.scores import score
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.logs import logger, set_up_logging
from hounsfield.core.stages.command import Command, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe
from hounsfield.core.storage.files import file_digest
from hounsfield.core.training.batches import SliceImages
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.core.training.loop import Classifier, is_trained, train
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig
from hounsfield.hemorrhage.folds import add_fold_argument, check_folds
from hounsfield.hemorrhage.images import SAMPLE_COLUMNS, normalise, open_slice_images
from hounsfield.hemorrhage.losses import hemorrhage_loss
from hounsfield.hemorrhage.paths import classifier_folder

# these change how fast a run goes, not what comes out; the weights count by their digest, not by where they lie
SPEED_SETTINGS = ("workers", "save_every", "download", "compile", "weights")
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


def training_recipe(command: HemorrhageCommand, fold: str) -> Recipe:
    """What the weights depend on."""
    config = command.config
    inputs = {"slices.parquet": file_digest(slices_path(command.work, config.data_set))}
    if config.classifier.weights is not None:
        inputs["weights"] = file_digest(Path(config.classifier.weights))
    return Recipe("classifier", {**shaping_settings(config), "fold": fold, "seed": config.seed}, inputs)


def shaping_settings(config: HemorrhageConfig) -> dict[str, Any]:
    """The classifier's settings without those that only change its speed."""
    return {name: value for name, value in plain(config.classifier).items() if name not in SPEED_SETTINGS}


def split_slices(command: HemorrhageCommand, fold: str) -> tuple[SliceImages, SliceImages]:
    """Training and validation images; no patient is in both, except in the sanity check of fold `all`."""
    config, folder = command.config, images_folder(command.work, command.config.data_set)
    slices = read_slices(command.work, config.data_set, (*SAMPLE_COLUMNS, "split", "fold"))
    slices = slices[slices["split"] == "train"]
    if slices.empty:
        raise MissingInput(f"{slices_path(command.work, config.data_set)} holds no labelled slices to train on")
    if fold == ALL:
        training, validation = slices, slices.iloc[: config.classifier.sanity_slices]
    else:
        held_out = slices["fold"] == int(fold)
        training, validation = slices[~held_out], slices[held_out]
    if training.empty or validation.empty:
        raise BadInput(
            f"fold {fold} holds {len(validation)} of {len(slices)} labelled slices; too few patients for folds"
        )
    return (
        open_slice_images(training, folder, config.classifier, config.seed),
        open_slice_images(validation, folder, config.classifier, config.seed),
    )


def train_fold(command: HemorrhageCommand, fold: str, devices: Devices) -> None:
    """Train one fold's classifier, unless every epoch is there."""
    task = classifier(command, fold)
    with claimed(devices, task.folder, training_recipe(command, fold), force=command.force):
        if is_trained(task):
            logger.info("%s: nothing to do, %d epochs are trained", task.name, task.settings.epochs)
            return
        train(task, *split_slices(command, fold), devices)


def classifier(command: HemorrhageCommand, fold: str) -> Classifier:
    """What the training engine needs to know of one fold's classifier."""
    config = command.config.classifier
    return Classifier(
        name=f"classifier fold {fold}",
        folder=classifier_folder(command.work, command.experiment, fold),
        backbone=config.backbone,
        pretrained=config.weights,
        classes=len(CLASSES),
        settings=config,
        seed=command.config.seed,
        normalise=partial(normalise, config=config),
        loss=hemorrhage_loss,
        score=score,
        facts={"classifier": shaping_settings(command.config), "fold": fold},
    )


if __name__ == "__main__":
    run(main)
