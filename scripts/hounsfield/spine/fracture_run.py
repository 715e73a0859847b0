"""One fracture network of stage 54: which it is, what it rests on, and where it goes."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.spine.config import SpineConfig
from hounsfield.spine.images import check_intensity
from hounsfield.spine.neck_runs import check_seeds
from hounsfield.spine.nested import Folds, check_nested
from hounsfield.spine.network_run import NetworkRun, check_models, seen_through
from hounsfield.spine.networks.fracture import FractureNetwork
from hounsfield.spine.paths import BOXES, FRACTURE, VERTEBRAE, boxes_folder, pseudo_labels_folder
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.slice_windows import check_windows


class Neck(NamedTuple):
    """What stages 52 and 53 have found in the studies that are trained on."""

    data: Upstream
    boxes: Upstream
    labels: Upstream  # pseudo-labels

    @property
    def inputs(self) -> dict[str, Upstream]:
        """For the provenance of what is trained on it."""
        return {"data set": self.data, "boxes": self.boxes, "pseudo-labels": self.labels}


def open_boxes(command: SpineCommand, data: Upstream, without: Folds = ()) -> Upstream:
    """The boxes of a data set's studies. Raises MissingInput or StaleOutput with the command that finds them.

    without: folds that they know nothing of.
    """
    folder = boxes_folder(command.work, data.folder.name, command.experiment, without)
    return require(command.work, folder, BOXES, remedies(command))


def open_neck(command: SpineCommand, data: Upstream, without: Folds = ()) -> Neck:
    """The boxes and pseudo-labels of the training's data set. Raises MissingInput or StaleOutput with the commands.

    without: folds that they know nothing of.
    """
    folder = pseudo_labels_folder(command.work, data.folder.name, command.experiment, without)
    return Neck(data, open_boxes(command, data, without), require(command.work, folder, VERTEBRAE, remedies(command)))


def check_fracture(config: SpineConfig) -> None:
    """Raise WrongUse where settings of stages 54 and 55 contradict each other."""
    check_nested(config)
    check_models("fracture.models", config.fracture.models)
    for model in config.fracture.models:
        check_seeds(f"fracture.models, {model.name}: seeds", model.seeds)
    check_windows(config.windows)
    check_intensity(config.intensity)


class FractureRun(NetworkRun):
    """A network of stage 54."""

    stage, place = FRACTURE, "fracture"

    def build(self) -> FractureNetwork:
        """The network with random weights."""
        return FractureNetwork(self.key.model.network)

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs."""
        windows = plain(self.config.windows, "predict_step")  # that is of windows that are scored
        return {**super().settings(), "optimizer": plain(self.key.model.optimizer), "windows": windows}

    def learned(self, neck: Neck, train: pd.DataFrame) -> Ledger:
        """The patients that it has learnt from, and those that pseudo-labels and boxes were made from."""
        folds = sorted(set(train["fold"]))
        through = [seen_through(one, folds) for one in (neck.labels, neck.boxes)]
        return Ledger.joined([Ledger.of(self.config.data_set, train["patient_id"]), *through])
