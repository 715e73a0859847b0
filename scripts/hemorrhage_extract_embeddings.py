"""Extract the embeddings of every slice with one fold's classifiers.

In: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors, data/<data set>/slices.parquet and images/.
Out: data/<data set>/embeddings/<experiment>/fold<k>/epoch<e>/<view>.npy, logits.npy, rows.parquet, manifest.json.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import images_folder, slices_path
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, check_name, parse, plain, run, stage_parser
from hounsfield.core.stages.outputs import Recipe
from hounsfield.core.storage.checkpoints import load_weights
from hounsfield.core.storage.files import file_digest, write_json
from hounsfield.core.storage.tables import write_table
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.core.training.networks import build_network, embedding_width
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, EmbeddingConfig, HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.folds import add_fold_argument, check_folds
from hounsfield.hemorrhage.images import SAMPLE_COLUMNS, open_slice_images
from hounsfield.hemorrhage.inference import classifier_config, extract_arrays
from hounsfield.hemorrhage.paths import (
    ROWS_SCHEMA,
    TRAIN_CLASSIFIER,
    classifier_weights,
    store_folder,
)


def main() -> None:
    """Extract what the configuration's epochs still lack."""
    parser = stage_parser(HemorrhageConfig, "Extract embeddings of every slice", default_config=DEFAULT_CONFIG)
    add_fold_argument(parser)
    parser.add_argument("--apply-to", type=str, default=None, help="another prepared data set than the one trained on")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    config, folds = command.config, check_folds(command.arguments.fold, command.config)
    data_set = check_name(command.arguments.apply_to or config.data_set, "--apply-to")
    slices = read_slices(command.work, data_set, SAMPLE_COLUMNS)
    with open_devices(config.classifier.precision, config.threads) as devices:
        set_up_logging(rank=devices.rank)
        for fold, epoch in itertools.product(folds, extracted_epochs(config)):
            extract(command, data_set, fold, epoch, slices, devices)


def extract(
    command: Command[HemorrhageConfig], data_set: str, fold: str, epoch: int, slices: pd.DataFrame, devices: Devices
) -> None:
    """Extract the embeddings of all slices by one checkpoint."""
    config, watch = command.config, Stopwatch()
    weights_path = classifier_weights(command.work, command.experiment, fold, epoch)
    weights, facts = load_weights(weights_path, remedy=TRAIN_CLASSIFIER)
    trained = replace(classifier_config(facts), workers=config.classifier.workers)
    folder = store_folder(command.work, data_set, command.experiment, fold, epoch)
    facts_of_store = {
        "weights_sha256": facts["sha256"],
        "slices_sha256": file_digest(slices_path(command.work, data_set)),
    }
    settings = {name: value for name, value in plain(config.embedding).items() if name != "epochs"}
    recipe = Recipe("embeddings", {**settings, "precision": config.classifier.precision}, facts_of_store)
    with claimed(devices, folder, recipe, force=command.force):
        if (folder / "manifest.json").exists():
            logger.info("embeddings fold %s epoch %d: nothing to do, %d slices", fold, epoch, len(slices))
            return
        network = build_network(trained.backbone, len(CLASSES))
        network.load_state_dict(weights)
        network = devices.place(network)
        images = open_slice_images(slices, images_folder(command.work, data_set), trained, config.seed)
        arrays = extract_arrays(folder, network, images, config.embedding, trained, devices)
        if devices.first:
            identity = {"experiment": command.experiment, "data_set": data_set, "fold": fold, "epoch": epoch}
            width = embedding_width(network)
            finish(folder, slices, arrays, config.embedding, {**identity, **facts_of_store, "width": width})
        devices.barrier()
    summary(f"embeddings fold {fold} epoch {epoch}", len(slices), "slices", watch.seconds)


def finish(
    folder: Path, slices: pd.DataFrame, arrays: list[Path], config: EmbeddingConfig, facts: dict[str, Any]
) -> None:
    """Write the rows and the manifest, which makes the store complete."""
    write_table(folder / "rows.parquet", slices, ROWS_SCHEMA)
    contents = {
        "rows": len(slices),
        "dtype": config.dtype,
        "views": list(config.views),
        "files": {path.name: file_digest(path) for path in (*arrays, folder / "rows.parquet")},
    }
    write_json(folder / "manifest.json", {**facts, **contents})


if __name__ == "__main__":
    run(main)
