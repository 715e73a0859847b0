"""Training the localisers, and one box per study by those that have not seen it (stage 52)."""

from __future__ import annotations

from functools import partial

import pandas as pd

from hounsfield.competitions.rsna2022.tables import TEST_FOLD, open_data_set, read_slices, read_studies
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.command import ALL, applied_to
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.storage.tables import write_table
from hounsfield.core.training.backbones import check_backbone, print_backbones
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.spine.boxes import check_boxes
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
from hounsfield.spine.nested import Folds, answers_for, check_nested, in_words, pairs_to_train, tables
from hounsfield.spine.paths import BOXES, TABLE, boxes_folder
from hounsfield.spine.remedies import SpineCommand, folds_to_train, remedies
from hounsfield.spine.tables import BOX_SCHEMA

AGGREGATION = ("presence", "quantile", "smoothing", "range_presence", "fallback_box")


def make_boxes(command: SpineCommand) -> None:
    """Train the localisers that are not there yet, then find the boxes. Of another data set they are only found."""
    config = command.config
    if command.arguments.get("list_backbones"):
        print_backbones(command.arguments["list_backbones"])
        return
    check_nested(config)
    check_seeds("boxes.seeds", config.boxes.seeds)
    check_boxes(config.boxes)
    check_intensity(config.intensity)
    check_backbone(config.boxes.network.backbone, config.boxes.network.size)
    with open_devices(config.precision, config.threads) as devices:
        data = open_data_set(command.work, command.data_set, remedies(command))
        with reading(data.folder):
            studies = read_studies(data)
            if applied_to(command):
                studies = studies.assign(split="test", fold=TEST_FOLD)  # whatever is known of them, here it is not used
            else:
                check_folds(config, studies)
                train(command, data, studies, devices)
            for without in [()] if applied_to(command) else tables(config):
                asked = in_order_of_folds(studies_in(without, studies))
                by_fold = networks_by_fold(command, asked, without)
                if by_fold is None:
                    break
                find_boxes(command, data, asked, by_fold, devices, without)


def train(command: SpineCommand, data: Upstream, studies: pd.DataFrame, devices: Devices) -> None:
    """Train the localisers of the chosen folds, of their pairs, and those of every study."""
    folds = [*folds_to_train(command, data, refit=command.config.boxes.refit), *pairs_to_train(command)]
    runs = [(run, {"data set": data}) for run in localizer_runs(command, folds)]
    one = partial(train_localizer, data, studies, read_slices(data), devices)
    train_runs(runs, one, studies, devices, force=command.force)


def studies_in(without: Folds, studies: pd.DataFrame) -> pd.DataFrame:
    """Those studies that a table of boxes is of: all; for networks of a fold those with labels; of a pair, segmented.

    without: folds that the boxes know nothing of. studies: the whole table.
    """
    if not without:
        return studies
    labelled = studies[studies["split"] == "train"]
    return labelled if len(without) == 1 else labelled[labelled["has_segmentation"]]


def networks_by_fold(command: SpineCommand, studies: pd.DataFrame, without: Folds = ()) -> Localizers | None:
    """The networks that answer for the studies of each fold; None where some were left out, and are not trained yet.

    without: folds that none of them has seen.
    """
    config = command.config
    without_labels = [ALL] if config.boxes.refit else [str(fold) for fold in config.folds]
    found = {}
    for fold in sorted(set(studies["fold"])):
        answer = without_labels if fold == TEST_FOLD else [answers_for(fold, without)]
        networks = answering(command, localizer_runs(command, answer))
        if networks is None:
            return None
        found[fold] = networks
    return found


def boxes_settings(config: SpineConfig, without: Folds) -> dict[str, object]:
    """What the boxes depend on, beside what they are made from."""
    aggregation = {name: value for name, value in plain(config.boxes).items() if name in AGGREGATION}
    return {**aggregation, **({"without": list(without)} if without else {"refit": config.boxes.refit})}


def find_boxes(
    command: SpineCommand,
    data: Upstream,
    studies: pd.DataFrame,
    by_fold: Localizers,
    devices: Devices,
    without: Folds,
) -> None:
    """Find the boxes of studies, unless they are there. without: folds that their networks have not seen."""
    watch, remedy, name = Stopwatch(), remedies(command)(BOXES), f"boxes{in_words(without)}"
    folder = boxes_folder(command.work, command.data_set, command.experiment, without)
    inputs = {"data set": data.as_input()}
    inputs |= {one.run.key.name: one.output.as_input() for networks in by_fold.values() for one in networks}
    provenance = Provenance(BOXES, boxes_settings(command.config, without), inputs, libraries=("torch", "timm"))
    with output(folder, provenance, force=command.force, remedy=remedy, processes=devices) as out:
        if out.finished:
            logger.info("%s: nothing to do, %s is written", name, folder / TABLE)
            return
        ledger = answers_ledger(by_fold)
        refuse_seen(name, ledger, studies, remedy, without)
        path, fallbacks = out.unfinished / "triplets.npy", 0
        predict_triplets(path, data, studies, by_fold, command.config, devices)
        if devices.first:
            table = boxes_table(path, studies, command.config.boxes)
            write_table(folder / TABLE, table, BOX_SCHEMA)
            fallbacks = int(table["fallback"].sum())
        out.finish([TABLE], learned=ledger)
    summary(name, len(studies), "studies", watch.seconds, {"fallback boxes": fallbacks} if fallbacks else {})
