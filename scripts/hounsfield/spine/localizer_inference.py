"""One box and range of slices per study, by localisers that have not learnt from it (stage 52). N triplets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.competitions.rsna2022.tables import TEST_FOLD
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training.batches import ImageBatch
from hounsfield.core.training.devices import Devices
from hounsfield.spine.boxes import StudyBox, aggregate
from hounsfield.spine.config import BoxesConfig, SpineConfig
from hounsfield.spine.localizer_data import Triplets, TripletStudy
from hounsfield.spine.localizer_training import LocalizerRun
from hounsfield.spine.neck_runs import write_answers
from hounsfield.spine.network_run import Trained
from hounsfield.spine.networks.localizer import EDGES, PRESENCE, Localizer
from hounsfield.spine.slice_windows import study_rows, triplet_starts

Localizers = Mapping[int, Sequence[Trained[LocalizerRun]]]  # by the fold that they answer for


def predict_triplets(
    path: Path, data: Upstream, studies: pd.DataFrame, by_fold: Localizers, config: SpineConfig, devices: Devices
) -> None:
    """Write what the networks say of each triplet of studies to `path`, (N, 5) float32; a killed run goes on.

    studies: their rows, fold by fold. by_fold: the networks that answer for a fold's studies, and are averaged.
    """
    opened = [
        TripletStudy(uid, volume_path(data.work, data.folder.name, uid), (rows, columns), unknown(count))
        for uid, rows, columns, count in studies[["study_uid", "rows", "columns", "slices"]].itertuples(
            index=False, name=None
        )
    ]
    starts = [triplet_starts(len(study.targets)) for study in opened]
    images = Triplets(opened, study_rows(starts), config.boxes, config.intensity, (), volume_remedy=data.remedy)
    folds = np.repeat(studies["fold"].to_numpy(np.int64), [len(own) for own in starts])
    write_answers(
        path, images, folds, by_fold, LocalizerRun.build, partial(mean_prediction, devices), devices,
        workers=config.workers, batch_size=config.boxes.batch_size,
    )  # fmt: skip


def boxes_table(path: Path, studies: pd.DataFrame, config: BoxesConfig) -> pd.DataFrame:
    """The boxes of studies, BOX_SCHEMA, sorted by study_uid, out of what `predict_triplets` wrote to `path`."""
    shapes = studies[["slices", "rows", "columns"]].to_numpy().tolist()
    ends = np.cumsum([len(triplet_starts(count)) for count, *_ in shapes])
    predictions = np.split(np.array(open_array(path)), ends[:-1])
    found = [
        aggregate(own, count, (rows, columns), config)
        for own, (count, rows, columns) in zip(predictions, shapes, strict=True)
    ]
    table = pd.DataFrame(found, columns=StudyBox._fields)
    table.insert(0, "study_uid", studies["study_uid"].to_numpy())
    return table.sort_values("study_uid", ignore_index=True)


@torch.inference_mode()
def mean_prediction(devices: Devices, networks: Sequence[Localizer], batch: ImageBatch) -> np.ndarray:
    """The mean over networks of box and probability of presence, (B, 5) float32."""
    total = torch.zeros(len(batch.images), EDGES + 1, device=devices.device)
    for network in networks:
        with devices.autocast():
            outputs = network(batch.images).float()
        outputs[:, PRESENCE] = outputs[:, PRESENCE].sigmoid()
        total += outputs
    return (total / len(networks)).cpu().numpy()


def unknown(count: int) -> np.ndarray:
    """The targets of slices of which nothing is known, (count, 5)."""
    return np.full((count, EDGES + 1), np.nan, np.float32)


def in_order_of_folds(studies: pd.DataFrame) -> pd.DataFrame:
    """Studies fold by fold, so that networks change rarely; those without labels, fold TEST_FOLD, come last."""
    rank = studies["fold"].to_numpy(np.int64)
    return studies.iloc[np.argsort(np.where(rank == TEST_FOLD, rank.max() + 1, rank), kind="stable")]
