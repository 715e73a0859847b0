"""All that the walk-through shows, computed from the run as the page is built.

N slices of the data set, T of one series, B series of a batch; E embedding width, C classes.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import images_folder
from hounsfield.core.dicom.stacks import SERIES_KEY
from hounsfield.core.evaluation.domain import facts_of, in_words
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.image_files import encode_png, image_path, read_image
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.loop import Batch
from hounsfield.hemorrhage.ensemble import LOGITS_FILE, has_classifier
from hounsfield.hemorrhage.paths import classifier_folder
from hounsfield.hemorrhage.sequence_batches import (
    EmbeddingStore,
    SequenceBatch,
    SeriesIndex,
    build_batch,
    index_series,
)
from hounsfield.hemorrhage.sequence_network import SequenceNetwork
from hounsfield.hemorrhage.sequence_run import SequenceRun
from hounsfield.hemorrhage.training import SeriesBatches, SeriesSplit, split_series
from hounsfield.hemorrhage.walkthrough.batch_facts import (
    change_by_company,
    most_padded,
    padding_shares,
    thrown_away,
    trace,
)
from hounsfield.hemorrhage.walkthrough.series_facts import (
    CONTEXT,
    find_order,
    liveliest,
    measure_pairs,
    series_inputs,
    series_rows,
    typical_edge,
)
from hounsfield.hemorrhage.weights import read_weights

ROWS_OF_HEAT = 16  # numbers of the embedding
PICTURE = 160  # pixels a side


@dataclass(frozen=True)
class Example:
    """The fold that examples are taken from: its network, its embeddings, and what it is trained and scored on."""

    run: SequenceRun
    slices: pd.DataFrame
    label_set: LabelSet
    labels: np.ndarray  # (N, C) float32
    views: Sequence[str]
    store: EmbeddingStore
    logits: np.ndarray | None  # (N, C) of the classifier; None beside embeddings that came without them
    split: SeriesSplit
    network: SequenceNetwork

    @property
    def logit(self) -> np.ndarray | None:
        """The classifier's logit of any finding, (N,); None where there is none."""
        if self.logits is None or self.label_set.any_of is None:
            return None
        found: np.ndarray = self.logits[:, self.label_set.names.index(self.label_set.any_of)]
        return found

    @property
    def any_finding(self) -> np.ndarray:
        """Whether a slice shows anything, (N,) float32; NaN where no label is known."""
        if self.label_set.any_of is not None:
            found: np.ndarray = self.labels[:, self.label_set.names.index(self.label_set.any_of)]
            return found
        known = np.isfinite(self.labels)
        return np.where(known.any(axis=1), np.where(known, self.labels, 0).max(axis=1), np.nan).astype(np.float32)


def open_example(run: SequenceRun, slices: pd.DataFrame, devices: Devices) -> Example:
    """Open what a fold's network was trained with, and the network after its last epoch.

    Raises MissingInput or StaleOutput with the command that makes what is missing.
    """
    network, embeddings, settings = run.network(), run.embeddings(), run.config.sequence
    label_set = label_set_of(run.data)
    store = run.open_store(embeddings, slices["image_id"])
    built = run.build_sequence_network(store.width, len(label_set.names))
    built.load_state_dict(read_weights(network, settings.epochs - 1)[0])
    labels = slices[list(label_set.names)].to_numpy(np.float32, na_value=np.nan)
    split = split_series(slices, run.fold, packed=settings.packed)
    views, logits = embeddings.record["facts"]["views"], None
    if has_classifier(embeddings):
        logits = open_array(embeddings.file(LOGITS_FILE), remedy=embeddings.remedy)
    return Example(run, slices, label_set, labels, views, store, logits, split, built.to(devices.device).eval())


def gather(example: Example, scores: pd.DataFrame | None, devices: Devices) -> dict[str, Any]:
    """All values of the page's template. scores: of the ablations; None: they are not measured."""
    run, slices, network = example.run, example.slices, example.network
    widths = {"E": example.store.width, "H": network.lstm1.hidden_size, "C": network.classes}
    classifier = read_record(classifier_folder(run.command.work, run.command.experiment, run.fold))
    return {
        "experiment": run.command.experiment,
        "data_set": in_words(facts_of(classifier, run.data), run.data.folder.name),
        "fold": run.fold,
        "epoch": run.epoch,
        "views": list(example.views),
        "names": example.label_set.names,
        "any_of": example.label_set.any_of or example.label_set.names[-1],
        "settings": run.config.sequence,
        "slices": len(slices),
        "patients": int(slices["patient_id"].nunique()),
        "width": widths,
        "order": find_order(slices),
        **_deltas(example),
        **_batch(example, devices),
        "scores": None if scores is None else scores.to_dict("records"),
    }


# ---- one series ----------------------------------------------------------------------------------------------------


def _deltas(example: Example) -> dict[str, Any]:
    """The deltas of the series that the fold's network has not learnt from, and one of them from near."""
    index = index_series(example.slices)
    held_out = index.only(index.any(example.split.validation))
    pairs = measure_pairs(example.store, held_out, example.any_finding, example.logit)
    number = typical_edge(pairs, held_out)
    later = held_out.starts[0] + 1 if number is None else int(pairs.later[number])
    place = int(np.searchsorted(held_out.starts, later, side="right")) - 1
    start, length = int(held_out.starts[place]), int(held_out.lengths[place])
    inputs = series_inputs(example.store, start, length)
    return {
        "pairs": pairs,
        "series": series_rows(example.slices, np.arange(start, start + length)).to_dict("records"),
        "key": [str(example.slices[name].iloc[start]) for name in SERIES_KEY],
        "number": int(example.slices["series"].iloc[start]),
        "edge": None if number is None else _edge(example, start, length, later - start, inputs),
        "inputs_shape": inputs.shape,
    }


def _edge(example: Example, start: int, length: int, at: int, inputs: np.ndarray) -> dict[str, Any]:
    """One series and the edge in it, at the slice numbered `at` from 0. inputs: (T, 3E)."""
    width, rows = example.store.width, np.arange(start, start + length)
    chosen = liveliest(inputs, width, ROWS_OF_HEAT)
    own, before, after = np.split(inputs, 3, axis=1)  # (T, E) each
    parts = {"e, less its mean": own - own.mean(axis=0), "to the slice before": before, "to the slice after": after}
    distance = np.linalg.norm(before, axis=1)
    shown = range(max(0, at - CONTEXT), min(length, at + CONTEXT))
    logit = example.logit
    return {
        "at": at,
        "length": length,
        "finding": (example.any_finding[rows] > 0.5).tolist(),
        "distance": distance.tolist(),
        "change": None if logit is None else np.diff(logit[rows], prepend=logit[start]).tolist(),
        "heat": {
            name: (part[:, chosen].T / max(1e-9, float(np.abs(part[:, chosen]).max()))).round(3).tolist()
            for name, part in parts.items()
        },
        "slices": [_shown(example, start, place, at, distance) for place in shown],
    }


def _shown(example: Example, start: int, place: int, at: int, distance: np.ndarray) -> dict[str, Any]:
    row = start + place
    labels = zip(example.label_set.names, example.labels[row], strict=True)
    return {
        "seq": place + 1,
        "picture": _picture(example, row),
        "labels": [name for name, value in labels if value > 0.5 and name != example.label_set.any_of],
        "distance": float(distance[place]) if place else None,
        "edge": place == at,
    }


def _picture(example: Example, row: int) -> str | None:
    """The slice in the brain window as a data URL; None where the images are not here, as beside an import."""
    folder, one = images_folder(example.run.command.work, example.run.data.folder.name), example.slices.iloc[row]
    path = image_path(folder, str(one["image_id"]))
    if not path.exists():
        return None
    brain = read_image(path, int(one["image_crc32"]), remedy=example.run.data.remedy)[..., 0]
    small = cv2.resize(brain, (PICTURE, PICTURE), interpolation=cv2.INTER_AREA)
    return f"data:image/png;base64,{base64.b64encode(encode_png(small)).decode()}"


# ---- one batch -----------------------------------------------------------------------------------------------------


def _batch(example: Example, devices: Devices) -> dict[str, Any]:
    """The batch of the first epoch with the most padding, and what becomes of it."""
    run, network, settings, index = example.run, example.network, example.run.config.sequence, example.split.train
    alone = replace(devices, rank=0, world=1)
    epoch = SeriesBatches(
        example.store, index, example.labels, settings, alone, seed=run.config.seed, epoch=0
    )  # as stage 14 makes it
    number = most_padded(epoch, index)
    part: Batch = next(epoch.parts(number))[0]
    series = epoch.series[number]
    ours, theirs = (
        build_batch(example.store, index, series, example.labels, pad_front=front) for front in (False, True)
    )
    read = part.samples.to(devices.device)
    lines, _ = trace(network, read)
    return {
        "batch_number": number,
        "batches": len(epoch),
        "longest": int(read.is_slice.shape[1]),
        "batch": _rows(example, index, series, part.samples),
        "grids": {name: _grid(batch, example.any_finding) for name, batch in (("ours", ours), ("theirs", theirs))},
        "padding": padding_shares(epoch, index, settings.batch_size, run.config.seed),
        "lines": lines,
        "parameters": sum(one.numel() for one in network.parameters()),
        "thrown": thrown_away(network, part, example.label_set.weights, devices),
        "company": {
            "packed": change_by_company(network, ours.to(devices.device), packed=True),
            "unpacked": change_by_company(network, theirs.to(devices.device), packed=False),
        },
    }


def _rows(example: Example, index: SeriesIndex, series: np.ndarray, batch: SequenceBatch) -> list[dict[str, Any]]:
    """What a person wants to know of each series of a batch."""
    numbers, starts = example.slices["series"].to_numpy(), index.starts[series]
    return [
        {
            "series": int(numbers[start]),
            "slices": int(slices.sum()),
            "padding": int((~slices).sum()),
            "first": int(start),
            "last": int(rows.max()),
        }
        for start, slices, rows in zip(starts, batch.is_slice, batch.rows, strict=True)
    ]


def _grid(batch: SequenceBatch, any_finding: np.ndarray) -> list[list[int]]:
    """Of each step of each series: -1 for padding, 1 for a slice with a finding, 0 for another one."""
    rows = batch.rows.numpy()
    found = np.where(rows < 0, -1, (any_finding[rows] > 0.5).astype(int))
    grid: list[list[int]] = found.tolist()
    return grid
