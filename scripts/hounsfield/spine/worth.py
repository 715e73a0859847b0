"""What this system's answers are worth: the scores of a run out of fold, and what it has calibrated on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hounsfield.competitions.rsna2022.labels import OVERALL
from hounsfield.core.evaluation.calibration import Calibration, calibration_of_run
from hounsfield.core.evaluation.scores import read_scores
from hounsfield.core.stages.command import on_training_set
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import require
from hounsfield.spine.commands import SpineCommand, remedies
from hounsfield.spine.paths import PREDICT, SCORES, predictions_folder
from hounsfield.spine.scores import METRIC

UNSCORED = "the run holds no out-of-fold scores"


@dataclass(frozen=True)
class Worth:
    """What is known of a run's bag of study networks."""

    scores: list[dict[Any, Any]]  # the rows of its table, the bag's last; none where it is not scored
    calibration: Calibration

    @property
    def scored_on(self) -> str:
        """The studies that it was scored on, in words."""
        if not self.scores:
            return UNSCORED
        row = self.scores[-1]
        return f"{row['studies']} out-of-fold studies of {row['patients']} patients ({row['ledger']})"

    @property
    def in_words(self) -> str:
        """Its scores, in words."""
        if not self.scores:
            return UNSCORED
        row = self.scores[-1]
        return (
            f"out of fold {METRIC.replace('_', ' ')} {row[METRIC]:.3f} (95 % interval {row['low']:.3f} to "
            f"{row['high']:.3f}), AUC for any fracture {row[f'auc_{OVERALL}']:.2f}"
        )


def worth_of_run(command: SpineCommand) -> Worth:
    """What stage 56 has found on the data set that the run was trained on, where that is done. Raises StaleOutput."""
    training = on_training_set(command)
    folder, run = predictions_folder(training.work, None, training.experiment), None
    if read_record(folder) is not None:
        run = require(training.work, folder, PREDICT, remedies(training))
    scored = run is not None and SCORES in run.record["files"]
    scores = read_scores(run.file(SCORES)).to_dict("records") if run is not None and scored else []
    return Worth(scores, calibration_of_run(run, UNSCORED))
