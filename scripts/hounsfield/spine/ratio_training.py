"""Training a network that tells how much of each vertebra a slice shows (stage 53)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import VERTEBRAE as NAMES
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.competitions.rsna2022.tables import RATIOS
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Output
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.spine.boxes import boxes_of, square_of
from hounsfield.spine.config import RatioModelConfig
from hounsfield.spine.losses import doubled_squares
from hounsfield.spine.neck_runs import NeckRun
from hounsfield.spine.nested import Folds
from hounsfield.spine.network_run import NetworkKey, seen_through
from hounsfield.spine.networks.frames import start_frames
from hounsfield.spine.networks.ratio import RatioNetwork
from hounsfield.spine.paths import VERTEBRAE
from hounsfield.spine.remedies import SpineCommand
from hounsfield.spine.slice_window_data import WindowKind, Windows, WindowStudy
from hounsfield.spine.slice_window_training import validation_loss, window_loss
from hounsfield.spine.slice_windows import sparse_step, study_rows, window_starts
from hounsfield.spine.training import NetworkTask, train_network


class RatioRun(NeckRun):
    """A network of stage 53."""

    stage, place = VERTEBRAE, "vertebrae"

    @property
    def model(self) -> RatioModelConfig:
        """What the configuration says of it."""
        return cast(RatioModelConfig, self.key.model)

    @property
    def excluded(self) -> tuple[str, ...]:
        """Studies that it is not trained on."""
        return () if self.model.keeps_bad_scans else self.config.excluded

    @property
    def needs_boxes(self) -> bool:
        """Whether it rests on stage 52: for the crop, or for where the neck begins and ends."""
        return self.model.crop or self.model.sparse > 0

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs."""
        windows = plain(self.config.windows, "predict_step")  # that is of windows that are scored
        own = {"crop": self.model.crop, "sparse": self.model.sparse, "windows": windows}
        return {**super().settings(), **own, "head_dropout": self.config.vertebrae.head_dropout}

    def inputs(self, data: Upstream, boxes: Upstream) -> dict[str, Upstream]:
        """What it is made from."""
        return {"data set": data, **({"boxes": boxes} if self.needs_boxes else {})}

    def build(self) -> RatioNetwork:
        """The network with random weights."""
        return RatioNetwork(self.model.network, self.config.windows.position, self.config.vertebrae.head_dropout)


def ratio_runs(command: SpineCommand, model: RatioModelConfig, folds: Sequence[str]) -> list[RatioRun]:
    """One model's networks of some folds, every seed of each."""
    seeds = command.config.vertebrae.seeds
    return [RatioRun(command, NetworkKey(model, fold, seed)) for fold in folds for seed in seeds]


def train_ratio(
    data: Upstream, boxes_without: Mapping[Folds, Upstream], studies: pd.DataFrame, slices: pd.DataFrame,
    devices: Devices, run: RatioRun, out: Output, course: Course,
) -> tuple[list[str], Ledger]:  # fmt: skip
    """Train one network. studies, slices: the tables of the data set.

    boxes_without: boxes by the folds that they know nothing of.

    Returns the names of the files that are left, and the patients that it has learnt from.
    """
    config, boxes, (train, validation) = run.config, boxes_without[run.without], run.split(studies)
    images = training_windows(run, data, boxes, train, slices)
    scored = None
    if len(validation):
        opened = ratio_studies(run, data, boxes, validation, slices)
        scored = windows_of(run, data, opened, [config.windows.predict_step] * len(opened))
    task = NetworkTask(
        name=run.key.name,
        build=run.build,
        start=lambda network: start_frames(network.frames, run.model.network),
        loss=partial(window_loss, doubled_squares, config.windows.threshold, devices),
        optimizer=run.model.optimizer,
        seeds=run.seeds,
        score=None if scored is None else partial(validation_loss, run, scored, doubled_squares, devices),
        facts=run.settings(),
    )
    files = train_network(task, images, out, config, devices, course)
    learned = [Ledger.of(config.data_set, train["patient_id"])]
    if run.needs_boxes:
        learned.append(seen_through(boxes, sorted(set(train["fold"]))))
    return files, Ledger.joined(learned)


def training_windows(
    run: RatioRun, data: Upstream, boxes: Upstream, studies: pd.DataFrame, slices: pd.DataFrame
) -> Windows:
    """The windows that a network learns from; of a sparse model those that the length of the neck asks for."""
    opened, config = ratio_studies(run, data, boxes, studies, slices), run.config.windows
    steps = [config.train_step] * len(opened)
    if run.model.sparse:
        found = boxes_of(boxes, [study.study_uid for study in opened])
        steps = [sparse_step(box.first_slice, box.last_slice, config.slices) for box in found]
    return windows_of(run, data, opened, steps)


def ratio_studies(
    run: RatioRun, data: Upstream, boxes: Upstream, studies: pd.DataFrame, slices: pd.DataFrame | None
) -> list[WindowStudy]:
    """Studies as windows are taken from them, with the square of each one's box where the model crops.

    slices: the whole table, whose ratios are the targets; None: these are not known.
    """
    uids = studies["study_uid"].tolist()
    squares = boxes_of(boxes, uids) if run.model.crop else [None] * len(uids)
    targets = {} if slices is None else dict(list(slices[slices["study_uid"].isin(uids)].groupby("study_uid")))
    found = []
    for uid, box, (count, rows, columns) in zip(
        uids, squares, studies[["slices", "rows", "columns"]].to_numpy().tolist(), strict=True
    ):
        square = None if box is None else square_of(box[:4], (rows, columns))
        ratios = np.full((count, len(NAMES)), np.nan, np.float32)
        if uid in targets:
            ratios = targets[uid][list(RATIOS)].to_numpy(np.float32, na_value=np.nan)
        found.append(WindowStudy(uid, volume_path(data.work, data.folder.name, uid), square, ratios))
    return found


def windows_of(run: RatioRun, data: Upstream, studies: list[WindowStudy], steps: Sequence[int]) -> Windows:
    """All windows of some studies. steps: of each, the slices between the starts of its windows."""
    config, model = run.config, run.model
    starts = [
        window_starts(len(study.targets), config.windows.slices, step)
        for study, step in zip(studies, steps, strict=True)
    ]
    kind = WindowKind(config.windows, config.intensity, model.network.size, bicubic=model.crop, sparse=model.sparse)
    remedy = f"Lower workers, or raise accumulate of {model.name}'s optimizer in vertebrae.models"
    return Windows(studies, study_rows(starts), kind, run.seeds, remedy=remedy, volume_remedy=data.remedy)
