"""The mean of many runs, and what each step of the pipeline is worth on patients that its models have not seen.

A run is the sequence network's prediction from one classifier checkpoint: one experiment, fold and classifier epoch.
N slices of the data set, T of them to be predicted for the submission, M held out in cross-validation; C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.answers import ANSWER_COLUMNS
from hounsfield.competitions.rsna2019.domain import DOMAIN_COLUMNS
from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.results import prior_predictions
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.predictions import Rows, mean_of_tables
from hounsfield.core.evaluation.score_table import System
from hounsfield.core.stages.command import ALL
from hounsfield.core.stages.ledger import LEDGER_FILE, Ledger
from hounsfield.core.stages.upstream import RemedyOf, Upstream, check_made, require
from hounsfield.core.storage.arrays import open_array
from hounsfield.hemorrhage.config import extracted_epochs
from hounsfield.hemorrhage.paths import EXTRACT, LOGITS, PREDICTIONS, TRAIN_CLASSIFIER, TRAIN_SEQUENCE
from hounsfield.hemorrhage.remedies import HemorrhageCommand, remedies
from hounsfield.hemorrhage.sequence_run import SequenceRun

TABLE_COLUMNS = tuple(dict.fromkeys((*ANSWER_COLUMNS, *DOMAIN_COLUMNS, "split", "patient_id", "fold")))  # and labels
NEIGHBOUR, CENTRE = 0.6, 1.8  # weights of the rolling mean over 3 slices (2nd place); their sum is 3
LOGITS_FILE = f"{LOGITS}.npy"


@dataclass(frozen=True)
class BaggedRun:
    """One run: which it is, its predictions, and the embeddings that they were made from."""

    experiment: str
    fold: str
    epoch: int  # of the classifier
    predictions: Upstream
    embeddings: Upstream

    @property
    def name(self) -> str:
        """Short and unique, for provenances and messages."""
        return f"{self.experiment} fold {self.fold} epoch {self.epoch}"


@dataclass(frozen=True)
class Bag:
    """Means over runs, as probabilities."""

    test: np.ndarray  # (T, C), over all runs
    held_out: np.ndarray  # (M, C), over the runs that hold the slice's patient out
    sequences: dict[str, np.ndarray]  # by experiment: (M, C), the run of the last classifier epoch alone


def expected_runs(commands: Mapping[str, HemorrhageCommand], data: Upstream, folds: Sequence[str]) -> list[BaggedRun]:
    """Every run that belongs into the bag, in a fixed order. What else lies in the folders does not matter.

    commands: by experiment. data: the data set that is predicted. Raises MissingInput or StaleOutput naming the first
    run that is not there, or was made from something else than there is now.
    """
    return [
        _open_run(experiment, SequenceRun(command, data, fold, epoch))
        for experiment, command in commands.items()
        for fold in folds
        for epoch in dict.fromkeys(extracted_epochs(command.config))
    ]


def _open_run(experiment: str, run: SequenceRun) -> BaggedRun:
    command, remedy_of = run.command, remedies(run.command)
    if command.data_set != command.config.data_set and run.folder.exists():
        run.network()  # is trained, and predicts, by the same stage: the first of the two comes first
    # asked first, since their chain is the longest: its remedy makes everything anew that must be
    predictions = require(command.work, run.predictions, TRAIN_SEQUENCE, remedy_of)
    check_made(predictions, predictions.record["settings"], settings_of={"sequence network": run.settings()})
    return BaggedRun(experiment, run.fold, run.epoch, predictions, run.embeddings())


def refuse_seen_patients(runs: Sequence[BaggedRun], held_out: HeldOut, remedy_of: RemedyOf) -> None:
    """Raise BadInput when something behind a run has learnt from a patient of the fold that it is scored on."""
    for run in runs:
        patients = np.unique(held_out.patients[held_out.folds == (-1 if run.fold == ALL else int(run.fold))])
        for made in (run.predictions, run.embeddings):
            if LEDGER_FILE not in made.record["files"]:
                fact = f"does not say which patients it has learnt from ({LEDGER_FILE} is missing)"
            elif len(seen := patients[made.learned().roles_of(patients) != ""]):
                fact = (
                    f"has learnt from {len(seen)} of the {len(patients)} patients of fold {run.fold} (the first: "
                    f"{seen[0]}), which it is to predict"
                )
            else:
                continue
            again = " && ".join(f"{remedy_of(stage)} --force" for stage in (TRAIN_CLASSIFIER, EXTRACT, TRAIN_SEQUENCE))
            raise BadInput(f"{made.folder} {fact}; make it anew: {again}")


def learned_by(runs: Sequence[BaggedRun]) -> Ledger:
    """The patients that the bag has learnt from, a part for each fold whose slices its runs alone predict."""
    parts = (run.predictions.learned().rows.assign(part=f"fold{run.fold}") for run in runs)
    return Ledger.joined(parts)


def bag_runs(
    runs: Sequence[BaggedRun], last_epochs: Mapping[str, int], images: pd.Series, is_test: np.ndarray, held_out: HeldOut
) -> Bag:
    """Read the runs one after another and average them.

    last_epochs: the last classifier epoch of each experiment. images: (N,) image_id in the order of slices.parquet.
    is_test: (N,) bool, the slices that every run predicts. Raises BadInput when a run predicts other slices than it
    should: these, and of the training slices those of its own fold.
    """
    if not runs:
        raise WrongUse("there is no run to average: the configuration names no fold or no classifier epoch")
    rows, test_rows = Rows(images.to_numpy(), is_test), np.flatnonzero(is_test)

    def mean(some: Sequence[BaggedRun]) -> np.ndarray:
        folds = [-1 if run.fold == ALL else int(run.fold) for run in some]
        mine = [np.union1d(test_rows, held_out.rows[held_out.folds == fold]) for fold in folds]
        tables = zip([run.predictions.file(PREDICTIONS) for run in some], mine, strict=True)
        return mean_of_tables(label_set_of(runs[0].predictions), tables, rows, remedy=runs[0].predictions.remedy)

    whole = mean(runs)
    last = {name: [r for r in runs if (r.experiment, r.epoch) == (name, epoch)] for name, epoch in last_epochs.items()}
    return Bag(whole[test_rows], whole[held_out.rows], {name: mean(some)[held_out.rows] for name, some in last.items()})


def rolling_mean(probabilities: np.ndarray, series: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Mean of each slice and its two neighbours in the series, with weights 0.6, 1.8, 0.6 over 3.

    probabilities: (N, C); series, order: (N,) integers, rows in any order. At the ends of a series, where a neighbour
    does not exist, the weights of what exists are scaled to the sum 1; a series of one slice is left as it is.
    Source: RSNA 2019, 2nd place.
    """
    along = np.lexsort((order, series))
    sorted_probabilities = probabilities[along]
    joined = (np.diff(series[along]) == 0)[:, np.newaxis]  # (N-1, 1): this slice and the next are of one series
    total = CENTRE * sorted_probabilities
    weights = np.full((len(along), 1), CENTRE)
    total[1:] += NEIGHBOUR * joined * sorted_probabilities[:-1]
    total[:-1] += NEIGHBOUR * joined * sorted_probabilities[1:]
    weights[1:] += NEIGHBOUR * joined
    weights[:-1] += NEIGHBOUR * joined
    result = np.empty_like(total)
    result[along] = total / weights
    return result


def has_classifier(embeddings: Upstream) -> bool:
    """True when embeddings have the classifier's logits beside them."""
    return LOGITS_FILE in embeddings.record["files"]


def read_classifier(embeddings: Upstream, count: int) -> np.ndarray:
    """The classifier's probabilities, (N, C) float64, from the logits beside embeddings of `count` = N slices.

    Raises BadInput when the logits are not those that were written.
    """
    logits = open_array(embeddings.file(LOGITS_FILE), remedy=embeddings.remedy)
    if logits.shape != (count, len(label_set_of(embeddings).names)) or not np.isfinite(logits).all():
        path = embeddings.folder / LOGITS_FILE
        raise BadInput(f"{path}: {logits.shape}, or not finite; make it anew: {embeddings.remedy} --force")
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


def classifier_predictions(
    runs: Sequence[BaggedRun], slices: pd.DataFrame, held_out: HeldOut
) -> tuple[np.ndarray, np.ndarray]:
    """The classifier alone, and its rolling mean along each series: two arrays (M, C).

    runs: one per fold. Each slice is predicted by the classifier of the fold that holds its patient out.
    """
    series, order = slices["series"].to_numpy(), slices["order"].to_numpy()
    alone, smooth = np.empty((2, *held_out.labels.shape))
    for run in runs:
        probabilities = read_classifier(run.embeddings, len(slices))
        mine = held_out.folds == int(run.fold)
        rows = held_out.rows[mine]
        # whole series, since neighbours count; a patient's series are all held out together
        near = np.flatnonzero(np.isin(series, series[rows]))
        alone[mine] = probabilities[rows]
        smooth[mine] = rolling_mean(probabilities[near], series[near], order[near])[np.searchsorted(near, rows)]
    return alone, smooth


def systems(runs: Sequence[BaggedRun], bag: Bag, slices: pd.DataFrame, held_out: HeldOut) -> list[System]:
    """What is compared: prior, then classifier, rolling mean and sequence of each experiment, then the bag.

    Embeddings published without the classifier's outputs have no classifier to compare with.
    """
    models = "share of positive slices in the other folds"
    found = [
        System("prior", "", prior_predictions(label_set_of(runs[0].predictions), slices, held_out), models, ranks=False)
    ]
    for experiment, sequence in bag.sequences.items():
        own = [run for run in runs if run.experiment == experiment]
        epoch = max(run.epoch for run in own)
        last = [run for run in own if run.epoch == epoch]
        models = f"classifier epoch {epoch} of the fold that holds the patient out"
        compared_with = 0  # the prior
        if all(has_classifier(run.embeddings) for run in last):
            alone, smooth = classifier_predictions(last, slices, held_out)
            compared_with = len(found)
            found.append(System("classifier", experiment, alone, models, over=0))
            found.append(System("classifier_rolling_mean", experiment, smooth, models, over=compared_with))
        found.append(System("sequence", experiment, sequence, f"sequence on {models}", over=compared_with))
    first_sequence = next(place for place, system in enumerate(found) if system.name == "sequence")
    epochs = {name: [run.epoch for run in runs if run.experiment == name] for name in bag.sequences}
    made_of = "; ".join(f"{name} classifier epochs {' '.join(map(str, sorted(set(e))))}" for name, e in epochs.items())
    models = f"mean over sequence runs of the fold that holds the patient out: {made_of}"
    found.append(System("bag", "+".join(bag.sequences), bag.held_out, models, over=first_sequence))
    return found
