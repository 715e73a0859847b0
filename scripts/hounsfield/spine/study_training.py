"""Training the study network over a frozen slice network, and its predictions (stage 55). K networks, N studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.core.stages.outputs import Output
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.batches import shared_batches
from hounsfield.core.training.blocks import share_rows
from hounsfield.core.training.by_fold import refuse_nan
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.stops import stop_on_sigterm
from hounsfield.spine.config import SpineConfig
from hounsfield.spine.losses import study_loss
from hounsfield.spine.study_images import StudyBatch, StudyImages, neck_ranges
from hounsfield.spine.study_run import StudyRun
from hounsfield.spine.training import NetworkTask, train_network


def train_study(
    task: StudyRun, data: Upstream, boxes: Upstream, fracture: Upstream, train: pd.DataFrame, out: Output,
    devices: Devices, course: Course,
) -> list[str]:  # fmt: skip
    """Train the network of one run. train: studies to learn from. Returns the files' names."""
    config, size = task.config, task.key.model.network.size
    ranges = neck_ranges(data, boxes, train, config.study.margin)
    known = [one for one in ranges if np.isfinite(one.labels).any()]
    images = StudyImages(known, size, config.intensity, task.seeds, volume_remedy=data.remedy)
    network = NetworkTask(
        name=f"study {task.key.name}",
        build=task.build,
        start=lambda made: task.start(made, fracture),
        loss=partial(batch_loss, devices),
        optimizer=config.study.optimizer,
        seeds=task.seeds,
        facts=task.settings(),
    )
    return train_network(network, images, out, config, devices, course)


def batch_loss(devices: Devices, model: nn.Module, batch: StudyBatch) -> Tensor:
    """The loss of each study, (B,)."""
    with devices.autocast():
        logits = model(batch.triplets.to(devices.device, non_blocking=True), batch.lengths)
    return study_loss(logits, batch.labels.to(devices.device, non_blocking=True))


def predict_studies(
    tasks: Sequence[StudyRun],
    networks: Sequence[Upstream],
    data: Upstream,
    boxes: Upstream,
    studies: pd.DataFrame,
    config: SpineConfig,
    devices: Devices,
) -> np.ndarray:
    """What each of some networks says of some studies of any data set: probabilities (K, N, 8) float64.

    tasks, networks: K runs of stage 55 and what they left. data, boxes: the data set and its boxes. studies: rows of
    its table, with labels or without, which do not count. A study is computed by itself, so that neither the other ones
    nor the number of processes changes its probabilities. Its slices are read once for all networks of one size.
    Raises BadInput naming studies without a box or numbers that come out, and Stopped when the run is asked to stop.
    """
    found = np.zeros((len(tasks), len(studies), len(NAMES)))
    ranges = neck_ranges(data, boxes, studies, config.study.margin)
    for size in sorted({task.key.model.network.size for task in tasks}):
        own = [place for place, task in enumerate(tasks) if task.key.model.network.size == size]
        members = [devices.place(tasks[place].load(networks[place])) for place in own]
        images = StudyImages(ranges, size, config.intensity, (), volume_remedy=data.remedy)
        with stop_on_sigterm() as stop:
            parts = _predictions(members, images, config, devices)
            shared = share_rows(parts, (len(studies), len(own), len(NAMES)), devices, stop)
        refuse_nan(shared, studies["study_uid"].tolist(), f"try --precision fp32, or train again: {tasks[0].remedy}")
        found[own] = shared.transpose(1, 0, 2)
    return found


@torch.inference_mode()
def _predictions(
    members: Sequence[nn.Module], images: StudyImages, config: SpineConfig, devices: Devices
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """This process's share of the studies, one by one: its row (1,), and its probabilities (1, K, 8)."""
    for rows, batch in shared_batches(images, 1, devices, workers=config.workers):
        triplets = batch.triplets.to(devices.device, non_blocking=True)
        with devices.autocast():
            logits = [member(triplets, batch.lengths) for member in members]
        yield rows, torch.stack(logits, dim=1).double().sigmoid()
