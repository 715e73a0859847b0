"""What this system's answers are worth: the scores of a run out of fold, and what it has calibrated on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hounsfield.competitions.rsna2022.labels import NAMES, OVERALL
from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.calibration import Calibration, Level, calibration_of_run
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.out_of_fold import by_other_models
from hounsfield.core.evaluation.out_of_fold_calibration import Learned, OutOfFold, learn_calibration
from hounsfield.core.evaluation.score_table import System, read_scores
from hounsfield.core.stages.command import applied_to, on_training_set
from hounsfield.core.stages.finished import member_of
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.spine.paths import PREDICT, SCORES, predictions_folder
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.scores import METRIC

UNSCORED = "the run holds no out-of-fold scores"


@dataclass(frozen=True)
class Worth:
    """What is known of a run's bag of study networks."""

    scores: list[dict[Any, Any]]  # the rows of its table, the bag's last; none where it is not scored
    calibration: Calibration
    others: str = ""  # `by_other_models`

    @property
    def scored_on(self) -> str:
        """The studies that it was scored on, in words."""
        if not self.scores:
            return UNSCORED
        row = self.scores[-1]
        studies, patients = count_of(row["studies"], "out-of-fold studies"), count_of(row["patients"], "patients")
        return f"{studies} of {patients} ({row['ledger']}){self.others}"

    @property
    def in_words(self) -> str:
        """Its scores, in words."""
        if not self.scores:
            return UNSCORED
        row = self.scores[-1]
        return (
            f"out of fold {METRIC.replace('_', ' ')} {row[METRIC]:.3f} (95 % interval {row['low']:.3f} to "
            f"{row['high']:.3f}), AUC for any fracture {row[f'auc_{OVERALL}']:.2f}{self.others}"
        )


def scored_run(command: SpineCommand) -> Upstream | None:
    """The answers of stage 56 for the data set that the run was trained on, where it is done. Raises StaleOutput."""
    training = on_training_set(command)
    folder = predictions_folder(training.work, None, training.experiment)
    return None if read_record(folder) is None else require(training.work, folder, PREDICT, remedies(training))


def worth_of_run(command: SpineCommand, answers: Upstream) -> Worth:
    """What stage 56 has found on the data set that the run was trained on, where that is done. Raises StaleOutput.

    answers: those that it is the worth of.
    """
    run = scored_run(command)
    scored = run is not None and SCORES in run.record["files"]
    scores = read_scores(run.file(SCORES)).to_dict("records") if run is not None and scored else []
    others = "" if run is None or not applied_to(command) else by_other_models(_folds(run), _folds(answers))
    return Worth(scores, calibration_of_run(run, UNSCORED), others)


def _folds(answers: Upstream) -> list[str]:
    """The folds of the study networks that have answered for studies without labels."""
    names = [name for name in answers.record["inputs"] if name.startswith("study network ")]
    return [member_of(name, "fold", "seed")[1] for name in names]


def learn_worth(bag: System, held_out: HeldOut, data_set: str, remedy: str) -> Learned:
    """Calibrators and operating points of the bag, from its out-of-fold studies. remedy: what makes these anew."""
    labels = held_out.labels.astype(np.float64)
    studies = OutOfFold(bag.probabilities, labels, held_out.patients, bag.seen, "studies")
    levels: dict[Level, OutOfFold | str] = {"slice": "the system answers for studies alone", "study": studies}
    what, leak = f"{bag.name} ({bag.experiment})", bag.by_design.words
    return learn_calibration(NAMES, levels, data_set, what=what, remedy=remedy, leak=leak)
