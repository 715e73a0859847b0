"""Training the ratio networks, and pseudo-labels by those that have not seen a study (stage 53)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from hounsfield.competitions.rsna2022.tables import open_data_set, read_slices, read_studies
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.storage.tables import write_table
from hounsfield.core.training.backbones import print_backbones
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.spine.config import RatioModelConfig, SpineConfig
from hounsfield.spine.fracture_run import open_boxes
from hounsfield.spine.images import check_intensity
from hounsfield.spine.localizer_inference import in_order_of_folds
from hounsfield.spine.neck_runs import (
    answering,
    answers_ledger,
    check_folds,
    check_seeds,
    refuse_seen,
    train_runs,
)
from hounsfield.spine.nested import Folds, answers_for, check_nested, in_words, pairs_to_train, tables
from hounsfield.spine.network_run import Trained, check_models, seen_through
from hounsfield.spine.paths import TABLE, VERTEBRAE, pseudo_labels_folder
from hounsfield.spine.ratio_inference import predict_windows, pseudo_labels, ratio_curves
from hounsfield.spine.ratio_training import RatioRun, ratio_runs, train_ratio
from hounsfield.spine.remedies import SpineCommand, folds_to_train, remedies
from hounsfield.spine.slice_windows import check_windows
from hounsfield.spine.tables import PSEUDO_SCHEMA

Answering = dict[str, dict[int, list[Trained[RatioRun]]]]  # by model and fold


def make_pseudo_labels(command: SpineCommand) -> None:
    """Train the networks that are not there yet, then tell how much of each vertebra every slice shows."""
    config = command.config
    if command.arguments.list_backbones:
        print_backbones(command.arguments.list_backbones)
        return
    check_vertebrae(config)
    with open_devices(config.precision, config.threads) as devices:
        data = open_data_set(command.work, config.data_set, remedies(command))
        boxes = {without: open_boxes(command, data, without) for without in tables(config)}
        with reading(data.folder, *(one.folder for one in boxes.values())):
            train_and_label(command, data, boxes, devices)


def train_and_label(command: SpineCommand, data: Upstream, boxes: Mapping[Folds, Upstream], devices: Devices) -> None:
    """Train the networks of the chosen folds; where those of all folds are there, write the pseudo-labels.

    boxes: by the folds that they know nothing of.
    """
    studies, models = read_studies(data), command.config.vertebrae.models
    check_folds(command.config, studies)
    folds = [*folds_to_train(command, data, refit=False), *pairs_to_train(command)]
    runs = [run for model in models for run in ratio_runs(command, model, folds)]
    one = partial(train_ratio, data, boxes, studies, read_slices(data), devices)
    planned = [(run, run.inputs(data, boxes[run.without])) for run in runs]
    train_runs(planned, one, studies, devices, force=command.force)
    labelled = in_order_of_folds(studies[studies["split"] == "train"])
    for without in (one for one in boxes if len(one) < 2):
        networks = networks_to_ask(command, labelled, without)
        if networks is None:
            break
        label(command, data, boxes[without], labelled, networks, devices, without)


def check_vertebrae(config: SpineConfig) -> None:
    """Raise WrongUse where settings contradict each other."""
    check_nested(config)
    check_models("vertebrae.models", config.vertebrae.models)
    check_seeds("vertebrae.seeds", config.vertebrae.seeds)
    check_windows(config.windows)
    check_intensity(config.intensity)


def networks_to_ask(command: SpineCommand, studies: pd.DataFrame, without: Folds) -> Answering | None:
    """The networks that answer for the studies of each fold; None where some were left out, and are not trained yet.

    without: folds that none of them has seen.
    """
    found: Answering = {}
    for model in command.config.vertebrae.models:
        for fold in sorted(set(studies["fold"])):
            networks = answering(command, ratio_runs(command, model, [answers_for(fold, without)]))
            if networks is None:
                return None
            found.setdefault(model.name, {})[fold] = networks
    return found


def label(
    command: SpineCommand, data: Upstream, boxes: Upstream, studies: pd.DataFrame, networks: Answering,
    devices: Devices, without: Folds,
) -> None:  # fmt: skip
    """Write the pseudo-labels of all studies with labels, unless they are there.

    without: folds that networks and boxes have not seen.
    """
    watch, config, remedy = Stopwatch(), command.config, remedies(command)(VERTEBRAE)
    name = f"pseudo-labels{in_words(without)}"
    folder = pseudo_labels_folder(command.work, config.data_set, command.experiment, without)
    used = [one for by_fold in networks.values() for of_fold in by_fold.values() for one in of_fold]
    inputs = {"data set": data.as_input(), "boxes": boxes.as_input()}
    inputs |= {one.run.key.name: one.output.as_input() for one in used}
    settings: dict[str, Any] = {"predict_step": config.windows.predict_step, "decimals": config.vertebrae.decimals}
    settings |= {"without": list(without)} if without else {}
    provenance = Provenance(VERTEBRAE, settings, inputs, libraries=("torch", "timm"))
    with output(folder, provenance, force=command.force, remedy=remedy, processes=devices) as out:
        if out.finished:
            logger.info("%s: nothing to do, %s is written", name, folder / TABLE)
            return
        ledger = labels_ledger(networks, boxes, config.vertebrae.models)
        refuse_seen(name, ledger, studies, remedy, without)
        paths = {model: out.unfinished / f"{model}.npy" for model in networks}
        for model, by_fold in networks.items():
            predict_windows(paths[model], data, boxes, studies, by_fold, devices)
        if devices.first:
            curves = [ratio_curves(path, studies, config.windows) for path in paths.values()]
            seeds = " ".join(map(str, config.vertebrae.seeds))
            folds = [answers_for(fold, without) for fold in studies["fold"]]
            models = [f"{' '.join(networks)} fold{fold} seeds {seeds}" for fold in folds]
            table = pseudo_labels(studies, curves, models, config.vertebrae.decimals)
            write_table(folder / TABLE, table, PSEUDO_SCHEMA)
        out.finish([TABLE], learned=ledger)
    summary(name, len(studies), "studies", watch.seconds, {"networks": len(used)})


def labels_ledger(networks: Answering, boxes: Upstream, models: tuple[RatioModelConfig, ...]) -> Ledger:
    """Whom the networks have seen that answer for each fold's studies, and, where they crop, those of its boxes."""
    parts = []
    for model in models:
        also = partial(_seen_by_boxes, boxes) if model.crop else None
        parts.append(answers_ledger(networks[model.name], also))
    return Ledger.joined(parts)


def _seen_by_boxes(boxes: Upstream, fold: int) -> Ledger:
    return seen_through(boxes, [fold])
