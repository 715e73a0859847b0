"""One study network of stage 55: which it is, what it rests on, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hounsfield.core.evaluation.out_of_fold import UNSEEN, ByDesign
from hounsfield.core.stages.configuration import shaping_settings
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.checkpoints import load_weights
from hounsfield.core.training.course import PlannedRun
from hounsfield.spine.fracture_run import FractureRun
from hounsfield.spine.network_run import LIBRARIES, NetworkRun, seen_through, with_weights
from hounsfield.spine.networks.fracture import fill_frames
from hounsfield.spine.networks.study import FrozenFramesStudyNetwork
from hounsfield.spine.paths import STUDY, WEIGHTS, study_predictions_folder

# pseudo-labels and boxes to learn from were made by networks that have seen segmentations of the scored patients
SECOND_ORDER = ByDesign("second-order leak: pseudo-labels, boxes", ("upstream",))


class StudyRun(NetworkRun):
    """A network of stage 55; its key is that of the network of stage 54 that it is made over."""

    stage, place = STUDY, "study"

    @property
    def by_design(self) -> ByDesign:
        """How what it rests on has seen the patients of its validation fold."""
        return UNSEEN if self.without else SECOND_ORDER

    @property
    def predictions(self) -> Path:
        """What it says of its validation fold."""
        key = self.key
        return study_predictions_folder(self.command.work, self.command.experiment, key.model.name, key.fold, key.seed)

    @property
    def planned(self) -> PlannedRun:
        """What it asks of time and disk."""
        return super().planned._replace(epochs=self.config.study.optimizer.epochs)

    def build(self) -> FrozenFramesStudyNetwork:
        """The network with random weights."""
        return FrozenFramesStudyNetwork(self.key.model.network, self.config.study)

    def start(self, network: FrozenFramesStudyNetwork, fracture: Upstream) -> None:
        """Give the slice network the weights of stage 54. Raises BadInput unless each of them is there."""
        weights, _ = load_weights(fracture.file(WEIGHTS), remedy=fracture.remedy)
        fill_frames(network.frames, weights, source=fracture.folder / WEIGHTS)

    def load(self, found: Upstream) -> FrozenFramesStudyNetwork:
        """The trained network, ready to predict. Raises BadInput unless each of its weights is there."""
        return with_weights(self.build(), found)

    @property
    def slice_run(self) -> FractureRun:
        """The network of stage 54."""
        return FractureRun(self.command, self.key)

    def fracture(self) -> Upstream:
        """What stage 54 left. Raises MissingInput or StaleOutput, with the command that trains it."""
        return self.slice_run.network()

    def settings(self) -> dict[str, Any]:
        """What shapes its weights, beside its inputs."""
        study = shaping_settings(self.config.study)
        if self.config.study.train_statistics:
            study["chunk"] = self.config.study.chunk  # whose statistics are taken
        return {**super().settings(), "study": study}

    def provenance(self, inputs: Mapping[str, Upstream]) -> Provenance:
        """What its weights depend on; where the slice network starts is that of stage 54."""
        made_from = {name: one.as_input() for name, one in inputs.items()}
        return Provenance(STUDY, self.settings(), made_from, libraries=LIBRARIES)

    def learned(self, boxes: Upstream, fracture: Upstream, train: pd.DataFrame) -> Ledger:
        """The patients that it has learnt from, with those that its slice network and its boxes were made from."""
        own = Ledger.of(self.config.data_set, train["patient_id"])
        return Ledger.joined([own, fracture.learned(), seen_through(boxes, sorted(set(train["fold"])))])
