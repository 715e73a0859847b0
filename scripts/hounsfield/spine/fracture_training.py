"""Training a fracture network on the pseudo-labels of windows (stage 54). B windows, T triplets."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.core.errors import BadInput
from hounsfield.core.stages.outputs import Output
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.spine.boxes import boxes_of, square_of
from hounsfield.spine.fracture_run import FractureRun, Neck
from hounsfield.spine.losses import fracture_loss
from hounsfield.spine.networks.frames import start_frames
from hounsfield.spine.slice_window_data import WindowKind, Windows, WindowStudy
from hounsfield.spine.slice_window_training import validation_loss, window_loss
from hounsfield.spine.slice_windows import study_rows, window_starts
from hounsfield.spine.tables import FRACTURE_TARGETS, RATIO_PREDICTIONS, read_pseudo_labels
from hounsfield.spine.training import NetworkTask, train_network


def train_fracture(
    task: FractureRun,
    neck: Neck,
    out: Output,
    split: tuple[pd.DataFrame, pd.DataFrame],
    devices: Devices,
    course: Course,
) -> list[str]:
    """Train the network of one run; `split` has the studies to train on and to validate. Returns the files' names."""
    config, model = task.config, task.key.model
    train, validation = (studies_of(task, neck, studies) for studies in split)
    images = windows_of(task, train, config.windows.train_step, neck.data.remedy)
    scored = None
    if validation:
        scored = windows_of(task, validation, config.windows.predict_step, neck.data.remedy)
    network = NetworkTask(
        name=task.key.name,
        build=task.build,
        start=lambda made: start_frames(made.frames, model.network),
        loss=partial(window_loss, fracture_loss, config.windows.threshold, devices),
        optimizer=model.optimizer,
        seeds=task.seeds,
        score=None if scored is None else partial(validation_loss, task, scored, fracture_loss, devices),
        facts=task.settings(),
    )
    return train_network(network, images, out, config, devices, course)


def studies_of(task: FractureRun, neck: Neck, studies: pd.DataFrame) -> list[WindowStudy]:
    """Some studies of the table as windows are taken from them, with the square of each one's box.

    Raises BadInput naming a study without a box, or whose pseudo-labels are not of its slices.
    """
    uids = studies["study_uid"].tolist()
    shapes = studies[["slices", "rows", "columns"]].to_numpy().tolist()
    labels = dict(list(read_pseudo_labels(neck.labels).groupby("study_uid")))
    found = []
    for uid, box, (count, *shape) in zip(uids, boxes_of(neck.boxes, uids), shapes, strict=True):
        if uid not in labels or labels[uid]["slice"].tolist() != list(range(count)):
            raise BadInput(
                f"{neck.labels.folder}: the pseudo-labels of study {uid} are not of its {count} slices; make them "
                f"anew: {neck.labels.remedy} --force"
            )
        volume = volume_path(task.command.work, task.config.data_set, uid)
        targets = fracture_targets(labels[uid])
        found.append(WindowStudy(uid, volume, square_of(box[:4], tuple(shape)), targets))
    return found


def fracture_targets(rows: pd.DataFrame) -> np.ndarray:
    """The targets of one study's slices: how much of each vertebra and of its fracture is shown, and the most of these.

    rows: PSEUDO_SCHEMA, one per slice. Returns (slices, FRACTURE_COLUMNS) float32, NaN where a label is unknown.
    """
    ratios, fractures = (rows[list(names)].to_numpy(np.float32) for names in (RATIO_PREDICTIONS, FRACTURE_TARGETS))
    return np.concatenate([ratios, fractures, fractures.max(axis=1, keepdims=True)], axis=1)


def windows_of(task: FractureRun, studies: list[WindowStudy], step: int, volume_remedy: str) -> Windows:
    """All windows of some studies, which begin every `step` slices. volume_remedy: what makes their volumes."""
    config = task.config
    starts = [window_starts(len(study.targets), config.windows.slices, step) for study in studies]
    kind = WindowKind(config.windows, config.intensity, task.key.model.network.size, per_triplet=True)
    remedy = f"Lower workers, or raise accumulate of {task.key.model.name}'s optimizer in fracture.models"
    return Windows(studies, study_rows(starts), kind, task.seeds, remedy=remedy, volume_remedy=volume_remedy)
