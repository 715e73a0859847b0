"""Train the sequence network on one classifier's embeddings and predict with it.

In: data/<data set>/embeddings/<experiment>/fold<k>/epoch<e>/, data/<data set>/slices.parquet.
Out: preds/hemorrhage/<experiment>/fold<k>_epoch<e>.parquet,
checkpoints/hemorrhage/<experiment>/fold<k>/sequence_epoch<e>/.
With --apply-to another data set, whose studies are predicted with the networks trained before.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import torch

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.predictions import is_finished, manifest_path
from hounsfield.core.evaluation.scores import score
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import check_name, parse, run, stage_parser
from hounsfield.core.stages.outputs import Recipe
from hounsfield.core.storage.checkpoints import save_weights
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.core.training.draws import seed_of
from hounsfield.core.training.loop import training
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.folds import add_fold_argument, check_folds
from hounsfield.hemorrhage.networks import SequenceNetwork
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore
from hounsfield.hemorrhage.sequence_run import SequenceRun, splits_of
from hounsfield.hemorrhage.study_prediction import predict_series, predict_studies
from hounsfield.hemorrhage.training import SeriesBatches, refuse_float16_on_cpu, sequence_loss, split_series


def main() -> None:
    """Train and predict for every extracted epoch of the fold's classifier, or predict another data set."""
    parser = stage_parser(HemorrhageConfig, "Train the sequence network of one fold", default_config=DEFAULT_CONFIG)
    add_fold_argument(parser)
    parser.add_argument("--apply-to", type=str, default=None, help="another prepared data set, to be predicted only")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    config, folds = command.config, check_folds(command.arguments.fold, command.config)
    if not 1 <= config.sequence.epochs_to_bag <= config.sequence.epochs:
        raise WrongUse(f"sequence.epochs_to_bag must be 1 to sequence.epochs ({config.sequence.epochs})")
    data_set = check_name(command.arguments.apply_to or config.data_set, "--apply-to")
    slices = read_slices(command.work, data_set, ("image_id", "split", "series", *CLASSES, "fold"))
    work = train if data_set == config.data_set else predict_studies
    with open_devices(config.sequence.precision, config.threads) as devices:
        set_up_logging(rank=devices.rank)
        for fold, epoch in itertools.product(folds, extracted_epochs(config)):
            task = SequenceRun(command.work, command.experiment, config, data_set, fold, epoch)
            work(task, slices, devices, force=command.force)
            devices.barrier()


def train(task: SequenceRun, slices: pd.DataFrame, devices: Devices, *, force: bool) -> None:
    """Train, unless the predictions are there and rest on the same inputs and settings."""
    refuse_float16_on_cpu(devices)
    store, manifest = EmbeddingStore(task.store, slices), task.manifest()
    with claimed(devices, task.folder, Recipe("sequence", manifest["settings"], manifest["inputs"]), force=force):
        if not force and is_finished(task.predictions, manifest):
            logger.info("%s: nothing to do, %s is written", task.name, task.predictions)
            return
        if devices.first:  # with --force there is one that vouches for weights which have gone
            manifest_path(task.predictions).unlink(missing_ok=True)
        train_epochs(task, slices, store, manifest, devices)


def train_epochs(
    task: SequenceRun, slices: pd.DataFrame, store: EmbeddingStore, manifest: dict[str, object], devices: Devices
) -> None:
    """Train every epoch, score it on the validation fold, and write the mean probabilities of the last ones."""
    settings, seed, watch = task.config.sequence, task.config.seed, Stopwatch()
    data, labels = split_series(slices, task.fold, packed=settings.packed), np.array(slices[list(CLASSES)], np.float32)
    torch.manual_seed(seed_of(seed))
    network = SequenceNetwork(store.width, settings.hidden_units, packed=settings.packed).to(devices.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.learning_rate_decay)
    with training(
        task.folder, network, optimizer, schedule, devices,
        seed=seed, save_every=settings.save_every, name=task.name, scalars=task.folder / "tensorboard",
    ) as run:  # fmt: skip
        if run.is_fresh:
            run.tensors["probabilities"] = torch.zeros(len(slices), len(CLASSES), dtype=torch.float64)
        loss = sequence_loss(devices.wrap(network), devices)
        while run.epoch < settings.epochs:
            run.steps(SeriesBatches(store, data.train, labels, settings, devices, seed=seed, epoch=run.epoch), loss)
            found = np.zeros((len(slices), len(CLASSES)))
            for index in data.predicted:
                found += predict_series(network, store, index, len(slices), settings, devices, run.stop)
            if run.epoch >= settings.epochs - settings.epochs_to_bag:
                run.tensors["probabilities"] += torch.from_numpy(found)
            if devices.first and run.epoch >= settings.epochs - settings.keep_epochs:
                facts = {**task.facts(), "settings": manifest["settings"], "width": store.width}
                save_weights(task.weights(run.epoch), network.state_dict(), facts)
            run.end_epoch(
                score(LABELS, found[data.validation], labels[data.validation]) if data.validation.any() else {}
            )
        if devices.first:
            mean = run.tensors["probabilities"].numpy() / settings.epochs_to_bag
            task.write(slices["image_id"], splits_of(slices, data.validation), mean, manifest)
    summary(task.name, int(data.train.lengths.sum()) * settings.epochs, "slices", watch.seconds)


if __name__ == "__main__":
    run(main)
