"""The embeddings of every slice, by the classifiers of each fold (stage 13)."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_facts
from hounsfield.competitions.rsna2019.paths import IMAGES
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.counts import count_of
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.command import on_training_set
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import Output, Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading, require
from hounsfield.core.storage.tables import write_table
from hounsfield.core.training.backbones import embedding_width
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.hemorrhage.config import HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.images import IMAGE_COLUMNS, open_slice_images
from hounsfield.hemorrhage.inference import extract_arrays, load_classifier
from hounsfield.hemorrhage.paths import (
    EXTRACT,
    ROWS,
    ROWS_SCHEMA,
    TRAIN_CLASSIFIER,
    classifier_folder,
    store_folder,
)
from hounsfield.hemorrhage.remedies import HemorrhageCommand, data_set_folds, remedies


def extract_embeddings(command: HemorrhageCommand) -> None:
    """Extract what the configuration's folds and epochs still lack."""
    with open_devices(command.config.classifier.precision, command.config.threads) as devices:
        data = open_data_set(command.work, command.data_set, remedies(command))
        with reading(data.folder):
            slices = read_slices(data, IMAGE_COLUMNS)
            for fold in data_set_folds(command, data, EXTRACT):
                folder = classifier_folder(command.work, command.experiment, fold)
                trained = remedies(on_training_set(command))
                classifier = require(command.work, folder, TRAIN_CLASSIFIER, trained)
                with reading(folder):
                    for epoch in extracted_epochs(command.config):
                        extract(command, data, classifier, slices, fold, epoch, devices)


def extract(
    command: HemorrhageCommand,
    data: Upstream,
    classifier: Upstream,
    slices: pd.DataFrame,
    fold: str,
    epoch: int,
    devices: Devices,
) -> None:
    """Extract the embeddings of all slices by one epoch's weights, unless they are there."""
    config, name = command.config, f"embeddings fold {fold} epoch {epoch}"
    settings = plain(config.embedding, "epochs")
    provenance = Provenance(
        EXTRACT,
        {**settings, "precision": config.classifier.precision, "fold": fold, "epoch": epoch},
        {"data set": data.as_input(), "classifier": classifier.as_input()},
        libraries=("torch", "timm"),
    )
    folder, remedy = store_folder(command.work, command.data_set, command.experiment, fold, epoch), remedies(command)
    with output(folder, provenance, force=command.force, remedy=remedy(EXTRACT), processes=devices) as out:
        if out.finished:
            logger.info("%s: nothing to do, %s", name, count_of(len(slices), "slices"))
            return
        watch = Stopwatch()
        fill_store(command.config, out, data, classifier, slices, epoch, devices)
    summary(name, len(slices), "slices", watch.seconds)


def fill_store(
    config: HemorrhageConfig,
    out: Output,
    data: Upstream,
    classifier: Upstream,
    slices: pd.DataFrame,
    epoch: int,
    devices: Devices,
) -> None:
    """Write the arrays and the order of their rows."""
    network, trained = load_classifier(classifier, epoch, devices)
    trained = replace(trained, workers=config.classifier.workers)
    images = open_slice_images(slices, data.folder / IMAGES, trained, config.seed, remedy=data.remedy)
    arrays = extract_arrays(out.folder, network, images, config.embedding, trained, devices)
    if devices.first:
        write_table(out.folder / ROWS, slices, ROWS_SCHEMA)
    width, views = embedding_width(network), list(config.embedding.views)
    out.finish(
        [ROWS, *(path.name for path in arrays)],
        learned=classifier.learned().upstream_of(),
        facts={
            "rows": len(slices),
            "width": width,
            "dtype": config.embedding.dtype,
            "views": views,
            **label_facts(classifier),
        },
    )
