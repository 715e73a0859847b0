"""Training the localisers, and one box per study by those that have not seen it (stage 52)."""

from __future__ import annotations

from functools import partial

import pandas as pd

from hounsfield.competitions.rsna2022.tables import TEST_FOLD, open_data_set, read_slices, read_studies
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import SINGLE, applied_to
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.storage.tables import write_table
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.core.training.networks import check_backbone, print_backbones
from hounsfield.spine.boxes import check_boxes
from hounsfield.spine.commands import SpineCommand, folds_to_train, remedies
from hounsfield.spine.config import SpineConfig
from hounsfield.spine.images import check_intensity
from hounsfield.spine.localizer_inference import Localizers, boxes_table, in_order_of_folds, predict_triplets
from hounsfield.spine.localizer_training import localizer_runs, train_localizer
from hounsfield.spine.neck_runs import (
    answering,
    answers_ledger,
    check_folds,
    check_seeds,
    refuse_seen,
    train_runs,
)
from hounsfield.spine.paths import BOXES, TABLE, boxes_folder
from hounsfield.spine.tables import BOX_SCHEMA

AGGREGATION = ("presence", "quantile", "smoothing", "range_presence", "fallback_box")


def make_boxes(command: SpineCommand) -> None:
    """Train the localisers that are not there yet, then find the boxes. Of another data set they are only found."""
    config = command.config
    if command.arguments.get("list_backbones"):
        print_backbones(command.arguments["list_backbones"])
        return
    check_seeds("boxes.seeds", config.boxes.seeds)
    check_boxes(config.boxes)
    check_intensity(config.intensity)
    check_backbone(config.boxes.network.backbone, config.boxes.network.size)
    with open_devices(config.precision, config.threads) as devices:
        set_up_logging(rank=devices.rank)
        data = open_data_set(command.work, command.data_set, remedies(command))
        with reading(data.folder):
            studies = read_studies(data)
            if applied_to(command):
                studies = studies.assign(split="test", fold=TEST_FOLD)  # whatever is known of them, here it is not used
            else:
                check_folds(config, studies)
                train(command, data, studies, devices)
            by_fold = networks_by_fold(command, studies)
            if by_fold is not None:
                find_boxes(command, data, in_order_of_folds(studies), by_fold, devices)


def train(command: SpineCommand, data: Upstream, studies: pd.DataFrame, devices: Devices) -> None:
    """Train the localisers of the chosen folds, and those of every study."""
    folds = folds_to_train(command, data, refit=command.config.boxes.refit)
    runs = [(run, {"data set": data}) for run in localizer_runs(command, folds)]
    one = partial(train_localizer, data, studies, read_slices(data), devices)
    train_runs(runs, one, studies, devices, force=command.force)


def networks_by_fold(command: SpineCommand, studies: pd.DataFrame) -> Localizers | None:
    """The networks that answer for the studies of each fold; None where some were left out, and are not trained yet."""
    config = command.config
    without_labels = [SINGLE] if config.boxes.refit else [str(fold) for fold in config.folds]
    found = {}
    for fold in sorted(set(studies["fold"])):
        answer = without_labels if fold == TEST_FOLD else [str(fold)]
        networks = answering(command, localizer_runs(command, answer))
        if networks is None:
            return None
        found[fold] = networks
    return found


def boxes_settings(config: SpineConfig) -> dict[str, object]:
    """What the boxes depend on, beside what they are made from."""
    aggregation = {name: value for name, value in plain(config.boxes).items() if name in AGGREGATION}
    return {**aggregation, "refit": config.boxes.refit}


def find_boxes(
    command: SpineCommand,
    data: Upstream,
    studies: pd.DataFrame,
    by_fold: Localizers,
    devices: Devices,
) -> None:
    """Find the boxes of all studies, unless they are there."""
    watch, remedy = Stopwatch(), remedies(command)(BOXES)
    folder = boxes_folder(command.work, command.data_set, command.experiment)
    inputs = {"data set": data.as_input()}
    inputs |= {one.run.key.name: one.output.as_input() for networks in by_fold.values() for one in networks}
    provenance = Provenance(BOXES, boxes_settings(command.config), inputs, libraries=("torch", "timm"))
    with output(folder, provenance, force=command.force, remedy=remedy, processes=devices) as out:
        if out.finished:
            logger.info("boxes: nothing to do, %s is written", folder / TABLE)
            return
        ledger = answers_ledger(by_fold)
        refuse_seen("boxes", ledger, studies, remedy)
        path, fallbacks = out.unfinished / "triplets.npy", 0
        predict_triplets(path, data, studies, by_fold, command.config, devices)
        if devices.first:
            table = boxes_table(path, studies, command.config.boxes)
            write_table(folder / TABLE, table, BOX_SCHEMA)
            fallbacks = int(table["fallback"].sum())
        out.finish([TABLE], learned=ledger)
    summary("boxes", len(studies), "studies", watch.seconds, {"fallback boxes": fallbacks} if fallbacks else {})
