"""The sequence network on each classifier's embeddings, and its predictions (stage 14).

Of another data set, the studies are predicted with the networks trained before.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import torch

from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.evaluation.score_table import score
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.kept_configs import keep_config
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Output, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.checkpoints import save_weights, weights_name, with_facts
from hounsfield.core.training.course import Course, PlannedRun
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.core.training.draws import seed_of
from hounsfield.core.training.loop import training
from hounsfield.hemorrhage.config import extracted_epochs
from hounsfield.hemorrhage.paths import PROBABILITIES, TRAIN_SEQUENCE
from hounsfield.hemorrhage.remedies import HemorrhageCommand, data_set_folds, remedies
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore
from hounsfield.hemorrhage.sequence_run import SequenceRun
from hounsfield.hemorrhage.study_prediction import classifier_digest, predict_series, predict_studies, write_predictions
from hounsfield.hemorrhage.training import SeriesBatches, SeriesSplit, check_sequence, sequence_loss, split_series


def train_sequences(command: HemorrhageCommand) -> None:
    """Train and predict for every fold and extracted epoch of its classifier, or predict another data set."""
    config = command.config
    with open_devices(config.sequence.precision, config.threads) as devices:
        check_sequence(config.sequence, devices)
        data = open_data_set(command.work, command.data_set, remedies(command))
        with reading(data.folder):
            names = label_set_of(data).names
            slices = read_slices(data, ("image_id", "split", "series", "patient_id", *names, "fold"))
            folds = data_set_folds(command, data, TRAIN_SEQUENCE)
            runs = [SequenceRun(command, data, *one) for one in itertools.product(folds, extracted_epochs(config))]
            planned = [PlannedRun(run.folder, config.sequence.epochs, config.sequence.keep_epochs) for run in runs]
            course = Course(planned, force=command.force)
            for run in runs:
                if command.data_set == config.data_set:
                    train_and_predict(run, slices, devices, course)
                else:
                    predict_studies(run, slices, devices)
            keep_config(command, "hemorrhage", trained=course.begun, first=devices.first)


def train_and_predict(task: SequenceRun, slices: pd.DataFrame, devices: Devices, course: Course) -> None:
    """Train, unless the network is there, and write its predictions, unless they are."""
    embeddings = task.embeddings()
    provenance = task.provenance_of_network(embeddings)
    claim = output(task.folder, provenance, force=task.command.force, remedy=task.remedy, processes=devices)
    with reading(embeddings.folder), claim as out:
        if out.finished:
            logger.info("%s: nothing to do, it is trained", task.name)
        else:
            train(task, out, embeddings, slices, devices, course)
    write_predictions(task, slices, devices)


def train(
    task: SequenceRun, out: Output, embeddings: Upstream, slices: pd.DataFrame, devices: Devices, course: Course
) -> None:
    """Train the network, and write its weights and the mean probabilities of its last epochs."""
    watch, settings = Stopwatch(), task.config.sequence
    data = split_series(slices, task.fold, packed=settings.packed)
    labels = slices[list(label_set_of(task.data).names)].to_numpy(np.float32, na_value=np.nan)
    logger.info("%s: %d series to learn from, %d epochs", task.name, len(data.train.lengths), settings.epochs)
    store = task.open_store(embeddings, slices["image_id"])
    total = train_epochs(task, out, store, data, labels, devices, course)
    if devices.first:
        write_array(out.folder / PROBABILITIES, total / settings.epochs_to_bag)
    kept = range(max(0, settings.epochs - settings.keep_epochs), settings.epochs)
    learned = Ledger.joined([Ledger.of(task.config.data_set, data.patients), embeddings.learned().upstream_of()])
    facts = {"width": store.width, "classifier": classifier_digest(embeddings), **label_facts(task.data)}
    out.finish([PROBABILITIES, *with_facts(map(weights_name, kept))], learned=learned, facts=facts)
    summary(task.name, int(data.train.lengths.sum()) * settings.epochs, "slices", watch.seconds)


def train_epochs(
    task: SequenceRun,
    out: Output,
    store: EmbeddingStore,
    data: SeriesSplit,
    labels: np.ndarray,
    devices: Devices,
    course: Course,
) -> np.ndarray:
    """Train every epoch and score it on the validation fold. Returns the last ones' probabilities, added up: (N, C)."""
    settings, seed, label_set = task.config.sequence, task.config.seed, label_set_of(task.data)
    torch.manual_seed(seed_of(seed))
    classes = labels.shape[1]
    network = task.build_sequence_network(store.width, classes).to(devices.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.learning_rate_decay)
    with training(
        out.unfinished, network, optimizer, schedule, devices,
        seed=seed, save_every=settings.save_every, name=task.name, scalars=out.folder / "tensorboard",
        course=course,
    ) as run:  # fmt: skip
        if run.is_fresh:
            run.tensors["probabilities"] = torch.zeros(len(labels), classes, dtype=torch.float64)
        loss = sequence_loss(devices.wrap(network), devices, label_set.weights)
        while run.epoch < settings.epochs:
            run.steps(SeriesBatches(store, data.train, labels, settings, devices, seed=seed, epoch=run.epoch), loss)
            found = np.zeros((len(labels), classes))
            for index in data.predicted:
                found += predict_series(network, store, index, len(labels), settings, devices, run.stop)
            if run.epoch >= settings.epochs - settings.epochs_to_bag:
                run.tensors["probabilities"] += torch.from_numpy(found)
            if devices.first and run.epoch >= settings.epochs - settings.keep_epochs:
                facts = {"settings": task.settings(), "width": store.width}
                save_weights(out.folder / weights_name(run.epoch), network.state_dict(), facts)
            scored = data.validation
            run.end_epoch(score(label_set, found[scored], labels[scored]) if scored.any() else {})
        return run.tensors["probabilities"].numpy()
