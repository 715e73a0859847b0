"""Training the localiser on the slices of segmented studies (stage 52). B triplets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Output
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.batches import ImageBatch, ImageBatches, shared_batches
from hounsfield.core.training.blocks import share_rows
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.loop import Batch, TrainingRun
from hounsfield.spine.localizer_data import Triplets, TripletStudy, slice_targets
from hounsfield.spine.losses import localizer_losses
from hounsfield.spine.neck_runs import NeckRun
from hounsfield.spine.network_run import NetworkKey
from hounsfield.spine.networks.frames import start_frames
from hounsfield.spine.networks.localizer import EDGES, Localizer
from hounsfield.spine.paths import BOXES
from hounsfield.spine.remedies import SpineCommand
from hounsfield.spine.slice_windows import TRIPLET, study_rows, window_starts
from hounsfield.spine.training import NetworkTask, Scores, train_network


class LocalizerRun(NeckRun):
    """A network of stage 52."""

    stage, place = BOXES, "boxes"

    @property
    def needs_boxes(self) -> bool:
        """Whether it rests on stage 52: it is of it."""
        return False

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs."""
        shaping = ("box_weight", "label_smoothing", "reversed_channels")
        return {**super().settings(), **{name: getattr(self.config.boxes, name) for name in shaping}}

    def build(self) -> Localizer:
        """The network with random weights."""
        return Localizer(self.key.model.network)


def localizer_runs(command: SpineCommand, folds: Iterable[str]) -> list[LocalizerRun]:
    """The localisers of some folds, every seed of each."""
    boxes = command.config.boxes
    return [LocalizerRun(command, NetworkKey(boxes, fold, seed)) for fold in folds for seed in boxes.seeds]


class WeighedBatches:
    """One epoch's batches, in which presence and box count by themselves: the box's mean is over those that have one.

    Published: the mean over none, NaN, where a batch had no box; here the term is left out.
    """

    def __init__(self, batches: ImageBatches, box_weight: float, devices: Devices) -> None:
        self._batches, self._box_weight, self._devices = batches, box_weight, devices

    def __len__(self) -> int:
        return len(self._batches)

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        """This process's parts of each step from `first` on; weights are (B, 2), of presence and box."""
        for step in self._batches.parts(first):
            boxed = [(weights > 0) & samples.labels[:, 0].isfinite() for samples, weights in step]
            count = torch.tensor(float(sum(int(own.sum()) for own in boxed)), device=self._devices.device)
            boxes = self._devices.total(count).item()  # of the whole batch, wherever its samples are
            share = self._box_weight / max(1.0, boxes)
            yield [
                Batch(samples, torch.stack([weights * (1 - self._box_weight), own * share], dim=1))
                for (samples, weights), own in zip(step, boxed, strict=True)
            ]

    def describe(self, step: int) -> str:
        """The triplets of a step, by their studies."""
        return self._batches.describe(step)


def train_localizer(
    data: Upstream, studies: pd.DataFrame, slices: pd.DataFrame, devices: Devices, run: LocalizerRun, out: Output,
    course: Course,
) -> tuple[list[str], Ledger]:  # fmt: skip
    """Train one localiser. studies, slices: the tables of the data set.

    Returns the names of the files that are left, and the patients that it has learnt from.
    """
    config, boxes = run.config, run.config.boxes
    train, validation = run.split(studies)
    scored = segmented_triplets(data, validation, slices, run, step=TRIPLET) if len(validation) else None
    task = NetworkTask(
        name=run.key.name,
        build=run.build,
        start=lambda network: start_frames(network.frames, run.key.model.network),
        loss=partial(localizer_loss, boxes.label_smoothing, devices),
        optimizer=run.key.model.optimizer,
        seeds=run.seeds,
        weigh=lambda batches: WeighedBatches(batches, boxes.box_weight, devices),
        score=None if scored is None else partial(validation_scores, scored, run, devices),
        facts=run.settings(),
    )
    files = train_network(task, segmented_triplets(data, train, slices, run), out, config, devices, course)
    return files, Ledger.of(config.data_set, train["patient_id"])


def segmented_triplets(
    data: Upstream, studies: pd.DataFrame, slices: pd.DataFrame, run: LocalizerRun, *, step: int = 1
) -> Triplets:
    """The triplets of segmented studies, one for every `step` slices. slices: the whole table."""
    of_study = dict(list(slices[slices["study_uid"].isin(studies["study_uid"])].groupby("study_uid")))
    opened = []
    for uid, rows, columns in studies[["study_uid", "rows", "columns"]].itertuples(index=False, name=None):
        targets = slice_targets(of_study[uid], (rows, columns))
        opened.append(TripletStudy(uid, volume_path(data.work, data.folder.name, uid), (rows, columns), targets))
    starts = [window_starts(len(study.targets), TRIPLET, step) for study in opened]
    return Triplets(
        opened, study_rows(starts), run.config.boxes, run.config.intensity, run.seeds, volume_remedy=data.remedy
    )


def localizer_loss(smoothing: float, devices: Devices, model: nn.Module, batch: ImageBatch) -> Tensor:
    """The losses of a batch, (B, 2)."""
    images, targets = batch.images.to(devices.device), batch.labels.to(devices.device)
    with devices.autocast():
        outputs = model(images)
    return localizer_losses(outputs, targets, smoothing)


def validation_scores(
    images: Triplets, task: LocalizerRun, devices: Devices, network: nn.Module, run: TrainingRun
) -> Scores:
    """Cross-entropy of presence, and mean absolute error of the edges of those that have a box, in shares."""
    network.eval()
    size, workers = task.config.boxes.batch_size, task.config.workers

    @torch.no_grad()
    def own_share() -> Iterator[tuple[np.ndarray, Tensor]]:
        """Row numbers, and both losses and whether there is a box, (B, 3)."""
        for rows, batch in shared_batches(images, size, devices, workers=workers):
            losses = localizer_loss(0.0, devices, network, batch)
            boxed = batch.labels[:, :EDGES].isfinite().all(dim=1).to(losses)
            yield rows, torch.cat([losses, boxed.unsqueeze(1)], dim=1)

    presence, edges, boxed = share_rows(own_share(), (len(images), 3), devices, run.stop).mean(axis=0)
    return {"validation_presence": float(presence), "validation_edges": float(edges / boxed) if boxed else None}
