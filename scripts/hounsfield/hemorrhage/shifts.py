"""What a finished run answers for out-of-fold series that were changed: from the files, through all of its models.

n slices of a series, K of them read, C classes, V views, E embedding width, M rows held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import nn

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import SLICES
from hounsfield.competitions.rsna2019.preparation import window_image
from hounsfield.competitions.rsna2019.prepared_files import find_files, prepared_source
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.dicom.reader import DicomSlice
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.held_out import held_out_rows
from hounsfield.core.evaluation.run_report import ShiftedAnswers
from hounsfield.core.imaging.boxes import Box, box_of_shown, crop_to_square, resize
from hounsfield.core.imaging.shifts import SHIFTS, Change, as_stored
from hounsfield.core.intake.archives import FileList
from hounsfield.core.intake.prepared_slices import read_as_prepared
from hounsfield.core.intake.sources import list_sources
from hounsfield.core.logs import logger, progress
from hounsfield.core.stages.finished import input_of
from hounsfield.core.stages.outputs import Provenance, output, read_record, to_replace
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.core.storage.checkpoints import weights_name
from hounsfield.core.storage.image_files import encode_jpeg
from hounsfield.core.storage.tables import read_table, write_table
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.core.training.stops import StopRequest
from hounsfield.hemorrhage.config import ClassifierConfig, SequenceConfig, View
from hounsfield.hemorrhage.ensemble import BaggedRun
from hounsfield.hemorrhage.images import normalise
from hounsfield.hemorrhage.inference import embed_views, load_classifier
from hounsfield.hemorrhage.report_facts import bagged_runs
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore, SeriesIndex
from hounsfield.hemorrhage.sequence_network import SequenceNetwork
from hounsfield.hemorrhage.study_prediction import predict_series
from hounsfield.hemorrhage.weights import read_weights

STAGE, TABLE = "run_81_report", "shifts.parquet"
COLUMNS = ("image_id", "path", "series", "order", "split", "fold", "patient_id", "hu_mean", "intercept_repaired")
SEED = 2019
SLICES_PER_BATCH = 16


class Member(NamedTuple):
    """One run of the bag, with its models."""

    classifier: nn.Module
    trained: ClassifierConfig
    views: tuple[View, ...]
    dtype: str  # that embeddings are kept in
    sequences: list[SequenceNetwork]  # after each epoch that was kept
    settings: SequenceConfig


class Images(NamedTuple):
    """The slices of a series as the preparation leaves them."""

    pictures: list[np.ndarray]  # (H, W, 3) uint8
    boxes: list[Box]


def shifted_answers(run: Upstream, remedy_of: RemedyOf, *, compute: bool) -> list[ShiftedAnswers]:
    """What the run answers under each of SHIFTS, unchanged first; nothing where it has not been computed.

    compute: computes what is missing, after saying what it costs. The answers of a fold are kept in a folder of their
    own, and hold for this run alone. Raises MissingInput where the files of the data set have gone, and WrongUse where
    the classifiers are not at hand.
    """
    data, label_set = input_of(run, "data set", remedy_of), label_set_of(run)
    folds, runs = run.record["settings"]["folds"], bagged_runs(run, remedy_of)
    places = {fold: run.folder / "shifts" / f"fold{fold}" for fold in folds}
    provenances = {fold: _provenance(run, fold) for fold in folds}
    stale = {fold: to_replace(places[fold], provenances[fold]) for fold in folds}
    todo = [fold for fold in folds if stale[fold] or read_record(places[fold]) is None]
    if todo and not compute:
        return []
    for one in runs:
        if "classifier" not in one.embeddings.record["inputs"]:
            raise WrongUse(f"{one.embeddings.folder} came without its classifier, so no changed image can be answered")
    slices = read_slices(data, (*COLUMNS, *label_set.names))
    held_out = held_out_rows(label_set, slices, folds)
    chosen = slices.iloc[held_out.rows]
    if todo:
        _say_cost(runs, chosen[chosen["fold"].isin([int(fold) for fold in todo])], slices)
    for fold in todo:
        with output(places[fold], provenances[fold], force=stale[fold], remedy=remedy_of(STAGE, "--shifts")) as out:
            own = [one for one in runs if one.fold == fold]
            table = pd.concat(_fold_answers(own, chosen[chosen["fold"] == int(fold)], data, remedy_of, label_set.names))
            write_table(out.folder / TABLE, table, _schema(label_set.names))
            out.finish([TABLE], learned=run.learned())
    tables = [read_table(place / TABLE, _schema(label_set.names)) for place in places.values()]
    return _by_shift(pd.concat(tables), chosen["image_id"], label_set, held_out.labels)


def _by_shift(table: pd.DataFrame, images: pd.Series, label_set: Any, labels: np.ndarray) -> list[ShiftedAnswers]:
    found, place = [], pd.Series(np.arange(len(images)), images.to_numpy())
    for shift in SHIFTS:
        own = table[table["shift"] == shift.name]
        rows = place.loc[own["image_id"]].to_numpy()
        order = np.argsort(rows)
        rows, probabilities = rows[order], own[list(label_set.names)].to_numpy()[order]
        losses = label_set.loss(probabilities, labels[rows])
        found.append(ShiftedAnswers(shift.name, shift.words, rows, probabilities, losses))
    return found


def _provenance(run: Upstream, fold: str) -> Provenance:
    return Provenance(STAGE, {"fold": fold, "shifts": {one.name: one.words for one in SHIFTS}}, {"run": run.as_input()})


def _schema(names: Sequence[str]) -> pa.Schema:
    return pa.schema([("shift", pa.string()), ("image_id", pa.string()), *((name, pa.float64()) for name in names)])


def _say_cost(runs: Sequence[BaggedRun], slices: pd.DataFrame, every: pd.DataFrame) -> None:
    """Say how many times a slice goes through a classifier, beside what stage 13 has taken."""
    versions = sum(shift.change is not None for shift in SHIFTS) + 1
    passes = {run.fold: 0 for run in runs}
    for run in runs:
        passes[run.fold] += len(run.embeddings.record["settings"]["views"])
    counts = slices["fold"].astype(int).astype(str).value_counts()
    here = versions * sum(int(count) * passes[str(fold)] for fold, count in counts.items())
    before = len(every) * sum(passes.values())
    logger.info(
        "shifts: %d slices are read again; %d versions of each go through the classifiers, %d passes in all, and stage "
        "13 took %d", len(slices), versions, here, before,
    )  # fmt: skip


def _fold_answers(
    runs: Sequence[BaggedRun], slices: pd.DataFrame, data: Upstream, remedy_of: RemedyOf, names: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """The answers for every series of one fold, a table per series and shift."""
    files = list_sources(prepared_source(data.work, data))
    quality = int(data.record["settings"]["jpeg_quality"])
    precision = runs[0].embeddings.record["settings"]["precision"]
    with open_devices(precision) as devices:
        members = [open_member(run, remedy_of, devices) for run in runs]
        groups = [one for _, one in slices.sort_values(["series", "order"]).groupby("series")]
        for own in progress(groups, unit="series", label=f"shifts, fold {runs[0].fold}"):
            read, number = _read(own, files, data), int(own["series"].iloc[0])
            as_it_is = _prepared(read, None, number, quality)
            shown = {
                one.name: as_it_is if one.change is None else _prepared(read, one.change, number, quality)
                for one in SHIFTS
            }
            answers = series_answers(members, shown, devices)
            for shift in SHIFTS:
                kept = own["image_id"].to_numpy()[shift.kept(len(own))]
                yield pd.DataFrame(answers[shift.name], columns=list(names)).assign(shift=shift.name, image_id=kept)


def open_member(run: BaggedRun, remedy_of: RemedyOf, devices: Devices) -> Member:
    """The models of one run of the bag."""
    network = input_of(run.predictions, "sequence network", remedy_of)
    classifier, trained = load_classifier(input_of(run.embeddings, "classifier", remedy_of), run.epoch, devices)
    known = {
        name: value for name, value in network.record["settings"].items() if name in SequenceConfig.__annotations__
    }
    settings, stored = SequenceConfig(**known), run.embeddings.record["settings"]
    first = settings.epochs - settings.epochs_to_bag
    epochs = [one for one in range(first, settings.epochs) if weights_name(one) in network.record["files"]]
    sequences = []
    for epoch in epochs:
        classes, width = len(label_set_of(network).names), network.record["facts"]["width"]
        built = SequenceNetwork(width, settings.hidden_units, packed=settings.packed, classes=classes)
        built.load_state_dict(read_weights(network, epoch)[0])
        sequences.append(built.to(devices.device).eval())
    return Member(classifier, trained, tuple(stored["views"]), stored["dtype"], sequences, settings)


def series_answers(members: Sequence[Member], shown: dict[str, Images], devices: Devices) -> dict[str, np.ndarray]:
    """The bag's answer for one series under each shift: (K, C) by name. shown: the series as each shift leaves it."""
    total: dict[str, np.ndarray] = {}
    for member in members:
        stores: dict[int, list[np.ndarray]] = {}  # shifts that leave the pixels alone share their embeddings
        for shift in SHIFTS:
            images = shown[shift.name]
            views = stores.setdefault(id(images), [])
            if not views:
                views += _embedded(member, images, devices)
            kept = shift.kept(len(images.pictures))
            found = _in_sequence(member, [view[kept] for view in views], devices)
            total[shift.name] = total.get(shift.name, 0) + found / len(members)
    return total


def _embedded(member: Member, images: Images, devices: Devices) -> list[np.ndarray]:
    """The embeddings of a series in each view, V times (n, E), as they would be kept."""
    seen = np.stack([network_input(*one, member.trained) for one in zip(*images, strict=True)])
    parts = []
    for part in torch.from_numpy(seen).split(SLICES_PER_BATCH):
        normalised = normalise(part.to(devices.device), member.trained)
        views, _ = embed_views(member.classifier, normalised, member.views, devices)
        parts.append([view.cpu().numpy().astype(member.dtype) for view in views])
    return [np.concatenate(view) for view in zip(*parts, strict=True)]


def network_input(picture: np.ndarray, box: Box, config: ClassifierConfig) -> np.ndarray:
    """A prepared image as a classifier sees it: (H, W, 3) -> (S, S, 3) uint8."""
    if config.crop:
        picture = crop_to_square(picture, box if config.crop_boxes == "prepared" else box_of_shown(picture))
    return resize(picture, config.size)


def _in_sequence(member: Member, views: Sequence[np.ndarray], devices: Devices) -> np.ndarray:
    """The mean over the sequence networks of one run, (K, C). views: V times (K, E)."""
    store, count = EmbeddingStore(views), len(views[0])
    index = SeriesIndex(np.array([0]), np.array([count]))
    answers = [
        predict_series(network, store, index, count, member.settings, devices, StopRequest())
        for network in member.sequences
    ]
    found: np.ndarray = np.mean(answers, axis=0)
    return found


def _read(slices: pd.DataFrame, files: FileList, data: Upstream) -> list[DicomSlice]:
    """The slices of one series, from the files that they were prepared from."""
    found = find_files(pd.Index(slices["path"]), files, data.folder / SLICES)
    rows = zip(found, slices["hu_mean"], slices["intercept_repaired"], strict=True)
    return [read_as_prepared(file.read(), mean, intercept_repaired=bool(repaired)) for file, mean, repaired in rows]


def _prepared(slices: Sequence[DicomSlice], change: Change | None, series: int, quality: int) -> Images:
    """A series with its pixels changed, through the preparation: windows, box, JPEG. series: its number, for draws."""
    changed = list(slices)
    if change is not None:
        hu = np.stack([one.stored * one.slope + one.intercept for one in slices])
        values = change(as_stored(hu), np.random.default_rng([SEED, series]))
        changed = [replace(one, stored=own, slope=1.0, intercept=0.0) for one, own in zip(slices, values, strict=True)]
    pictures, boxes = [], []
    for one in changed:
        image, facts = window_image(one)
        encoded = np.frombuffer(encode_jpeg(image, quality), np.uint8)
        pictures.append(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)))
        boxes.append(Box(*(facts[side] for side in Box._fields)))
    return Images(pictures, boxes)
