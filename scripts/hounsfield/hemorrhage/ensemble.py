"""The mean of many runs, and what each step of the pipeline is worth on patients that its models have not seen.

A run is the sequence network's prediction from one classifier checkpoint: one experiment, fold and classifier epoch.
N slices of the data set, T of them to be predicted for the submission, M held out in cross-validation; C = 6 classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.results import prior_predictions
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.folds import ALL
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.predictions import Rows, mean_of_tables, read_manifest
from hounsfield.core.evaluation.scores import System
from hounsfield.core.stages.outputs import differences
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.storage.files import file_digest, read_json
from hounsfield.hemorrhage.config import HemorrhageConfig, extracted_epochs, sequence_settings
from hounsfield.hemorrhage.paths import (
    EXTRACT,
    LOGITS,
    TRAIN_SEQUENCE,
    array_path,
    predictions_folder,
    predictions_path,
    store_folder,
)

TABLE_COLUMNS = ("image_id", "split", "series", "order", "patient_id", "fold", *CLASSES)  # of slices.parquet
NEIGHBOUR, CENTRE = 0.6, 1.8  # weights of the rolling mean over 3 slices (2nd place); their sum is 3
SHOWN = 10  # lines of a listing in a message


@dataclass(frozen=True)
class Run:
    """One run: which it is, its table of predictions, and the embeddings that it was made from."""

    experiment: str
    fold: str
    epoch: int  # of the classifier
    table: Path
    store: Path

    @property
    def name(self) -> str:
        """Short and unique, for manifests."""
        return f"{self.experiment}/fold{self.fold}_epoch{self.epoch}"


@dataclass(frozen=True)
class Bag:
    """Means over runs, as probabilities."""

    test: np.ndarray  # (T, C), over all runs
    held_out: np.ndarray  # (M, C), over the runs that hold the slice's patient out
    sequences: dict[str, np.ndarray]  # by experiment: (M, C), the run of the last classifier epoch alone


def expected_runs(
    work: Path, data_set: str, experiments: Mapping[str, HemorrhageConfig], folds: Sequence[str]
) -> list[Run]:
    """Every run that belongs into the bag, in a fixed order. What else lies in the folders does not matter."""
    return [
        Run(
            experiment,
            fold,
            epoch,
            predictions_path(predictions_folder(work, experiment, config.data_set, data_set), fold, epoch),
            store_folder(work, data_set, experiment, fold, epoch),
        )
        for experiment, config in experiments.items()
        for fold in dict.fromkeys(folds)
        for epoch in dict.fromkeys(extracted_epochs(config))
    ]


def check_runs(
    runs: Sequence[Run], experiments: Mapping[str, HemorrhageConfig], data_set: str, slices_digest: str
) -> dict[str, str]:
    """Digests of all predictions and embeddings, by name, after making sure that they belong together.

    Raises MissingInput when a run is not there, and StaleOutput when one was made from other slices, embeddings or
    settings than there are now; the message names the file, what differs and the stage to run.
    """
    _refuse_missing(runs)
    digests: dict[str, str] = {}
    stale_stores: list[str] = []
    stale_tables: list[str] = []
    for run in runs:
        store = run.store / "manifest.json"
        expected = {"experiment": run.experiment, "data_set": data_set, "fold": run.fold, "epoch": run.epoch}
        made_from = {**expected, "slices_sha256": slices_digest}
        stale_stores += [f"{store}: {change}" for change in _changes(read_json(store), made_from)]
        manifest = read_manifest(run.table, remedy=TRAIN_SEQUENCE)
        digests[f"embeddings {run.name}"] = file_digest(store)
        expected |= {"stage": "sequence", "settings": sequence_settings(experiments[run.experiment])}
        expected |= {"inputs": {"slices": slices_digest, "store": digests[f"embeddings {run.name}"]}}
        stale_tables += [f"{run.table}: {change}" for change in _changes(manifest, expected)]
        digests[f"predictions {run.name}"] = manifest["sha256"]
    if stale_stores:
        raise StaleOutput(_listing("embeddings", stale_stores, f"{EXTRACT} --force, then {TRAIN_SEQUENCE} --force"))
    if stale_tables:
        raise StaleOutput(_listing("predictions", stale_tables, f"{TRAIN_SEQUENCE} --force"))
    return digests


def _refuse_missing(runs: Sequence[Run]) -> None:
    for what, paths, stage in (
        ("predictions", [run.table.with_suffix(".json") for run in runs], TRAIN_SEQUENCE),
        ("embeddings", [run.store / "manifest.json" for run in runs], EXTRACT),
    ):
        missing = [f"  {path}" for path in paths if not path.exists()]
        if missing:
            listing = "\n".join(missing[:SHOWN])
            raise MissingInput(
                f"{what} of {len(missing)} of {len(paths)} runs are missing or not finished:\n{listing}\n"
                f"Make them with: {stage}"
            )


def _changes(found: Any, expected: dict[str, Any]) -> list[str]:
    """How `found` differs from `expected`, as far as that one goes; what else `found` holds does not matter."""
    return differences(_restricted(found, expected), expected)


def _restricted(found: Any, keys: dict[str, Any]) -> dict[str, Any]:
    found = found if isinstance(found, dict) else {}
    return {
        key: _restricted(found.get(key), value) if isinstance(value, dict) else found.get(key)
        for key, value in keys.items()
    }


def _listing(what: str, changes: Sequence[str], remedy: str) -> str:
    lines = "\n".join(f"  {change}" for change in changes[:SHOWN])
    more = f"\n  and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return f"{what} are mixed or stale (found -> expected now):\n{lines}{more}\nMake them anew with: {remedy}"


def bag_runs(
    runs: Sequence[Run], last_epochs: Mapping[str, int], images: pd.Series, is_test: np.ndarray, held_out: HeldOut
) -> Bag:
    """Read the runs one after another and average them.

    last_epochs: the last classifier epoch of each experiment. images: (N,) image_id in the order of slices.parquet.
    is_test: (N,) bool, the slices that every run predicts. Raises BadInput when a run predicts other slices than it
    should: these, and of the training slices those of its own fold.
    """
    if not runs:
        raise WrongUse("there is no run to average: the configuration names no fold or no classifier epoch")
    rows, test_rows = Rows(images.to_numpy(), is_test), np.flatnonzero(is_test)

    def mean(some: Sequence[Run]) -> np.ndarray:
        folds = [-1 if run.fold == ALL else int(run.fold) for run in some]
        mine = [np.union1d(test_rows, held_out.rows[held_out.folds == fold]) for fold in folds]
        tables = zip([run.table for run in some], mine, strict=True)
        return mean_of_tables(LABELS, tables, rows, remedy=TRAIN_SEQUENCE)

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


def has_classifier(store: Path) -> bool:
    """True when a store holds the classifier's logits beside the embeddings."""
    return array_path(store, LOGITS).name in read_json(store / "manifest.json").get("files", {})


def read_classifier(store: Path, count: int) -> np.ndarray:
    """The classifier's probabilities, (N, C) float64, from the logits of a store of `count` = N slices.

    Raises BadInput when the logits are not those that the store's manifest describes.
    """
    path = array_path(store, LOGITS)
    logits = open_array(path, remedy=EXTRACT)
    expected = read_json(store / "manifest.json").get("files", {}).get(path.name)
    if logits.shape != (count, len(CLASSES)) or file_digest(path) != expected or not np.isfinite(logits).all():
        raise BadInput(f"{path} is not what its manifest describes, or not finite; make it with: {EXTRACT} --force")
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


def classifier_predictions(
    runs: Sequence[Run], slices: pd.DataFrame, held_out: HeldOut
) -> tuple[np.ndarray, np.ndarray]:
    """The classifier alone, and its rolling mean along each series: two arrays (M, C).

    runs: one a fold. Each slice is predicted by the classifier of the fold that holds its patient out.
    """
    series, order = slices["series"].to_numpy(), slices["order"].to_numpy()
    alone, smooth = np.empty((2, len(held_out.rows), len(CLASSES)))
    for run in runs:
        probabilities = read_classifier(run.store, len(slices))
        mine = held_out.folds == int(run.fold)
        rows = held_out.rows[mine]
        # whole series, since neighbours count; a patient's series are all held out together
        near = np.flatnonzero(np.isin(series, series[rows]))
        alone[mine] = probabilities[rows]
        smooth[mine] = rolling_mean(probabilities[near], series[near], order[near])[np.searchsorted(near, rows)]
    return alone, smooth


def systems(runs: Sequence[Run], bag: Bag, slices: pd.DataFrame, held_out: HeldOut) -> list[System]:
    """What is compared: prior, then classifier, rolling mean and sequence of each experiment, then the bag.

    Embeddings published without the classifier's outputs have no classifier to compare with.
    """
    models = "share of positive slices in the other folds"
    found = [System("prior", "", prior_predictions(slices, held_out), models, ranks=False)]
    for experiment, sequence in bag.sequences.items():
        own = [run for run in runs if run.experiment == experiment]
        epoch = max(run.epoch for run in own)
        last = [run for run in own if run.epoch == epoch]
        models = f"classifier epoch {epoch} of the fold that holds the patient out"
        compared_with = 0  # the prior
        if all(has_classifier(run.store) for run in last):
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
