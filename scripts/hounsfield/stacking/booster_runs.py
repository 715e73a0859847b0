"""One library of the second level with one way of early stopping: its models, whom they have seen, what they predict.

Written by stage 44; stage 45 reads the tables. N slices, C classes, F features.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import PROBABILITY_CLIP
from hounsfield.core.evaluation.metrics import log_loss
from hounsfield.core.logs import Stopwatch, logger, progress
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.files import file_digest, read_json, write_bytes, write_json
from hounsfield.stacking.boosters import (
    PRIOR,
    SUFFIXES,
    Samples,
    predict_booster,
    prior_model,
    train_booster,
    why_prior,
)
from hounsfield.stacking.config import Booster, StackingConfig
from hounsfield.stacking.experiments import StackingCommand
from hounsfield.stacking.features import feature_names
from hounsfield.stacking.paths import boosters_folder, second_level_folder
from hounsfield.stacking.second_level import (
    EVERY_FOLD,
    TEST_FOLD,
    SecondLevelData,
    Stopping,
    features_of,
    split_data,
)

IMPORTANCE = "importance.csv"


class BoosterRun(NamedTuple):
    """One library with one way of early stopping: a model per class and fold."""

    booster: Booster
    stopping: Stopping
    folds: tuple[int, ...]
    models: Path  # folder of the models
    table: Path  # folder of what they predict

    @property
    def name(self) -> str:
        """For records and log lines."""
        return f"{self.booster} {self.stopping}"

    @property
    def identity(self) -> dict[str, Any]:
        """What the table of predictions is of, whatever the models are."""
        return {"booster": self.booster, "stopping": self.stopping}

    def settings(self, config: StackingConfig) -> dict[str, Any]:
        """What the models depend on beside their inputs; settings of other libraries, and threads, do not count."""
        wanted = config.second_level
        return {
            **self.identity,
            "folds": list(self.folds),
            "networks": [network.name for network in config.networks],
            "epochs": sorted(set(config.prediction.epochs)),
            "neighbours": wanted.neighbours,
            "before_first": wanted.before_first,
            "study_mean": wanted.study_mean,
            self.booster: plain(getattr(wanted, self.booster)),
        }


def booster_run(command: StackingCommand, booster: Booster, stopping: Stopping, folds: Sequence[int]) -> BoosterRun:
    """Where one run's outputs lie."""
    work, experiment = command.work, command.experiment
    models = boosters_folder(work, experiment, booster, stopping)
    table = second_level_folder(work, experiment, booster, stopping, applied_to(command))
    return BoosterRun(booster, stopping, tuple(folds), models, table)


def run_ledger(run: BoosterRun, data: SecondLevelData, first_level: Ledger, data_set: str) -> Ledger:
    """Whom the models of each fold have seen, a part per fold.

    first_level: whom the classifiers have seen, a part per fold. They are upstream of the models that learn from, or
    stop by, what they predict; what of the classifiers' own fold has no image takes the least of all that they predict.
    """
    parts: list[Ledger | pd.DataFrame] = []
    for fold in run.folds:
        split, part = split_data(data, run.folds, fold, run.stopping), fold_part(fold)
        parts.append(Ledger.of(data_set, data.patients[split.train], "train", part))
        parts.append(Ledger.of(data_set, data.patients[split.early_stop], "early_stop", part))
        used = [fold_part(other) for other in (*split.train_folds, split.stop_fold)]
        behind = first_level.rows[first_level.rows["part"].isin(used)]
        parts.append(behind.assign(part=part, role="upstream"))
    return Ledger.joined(parts)


def train_models(run: BoosterRun, data: SecondLevelData, config: StackingConfig) -> list[str]:
    """Train what is missing of the run's models; returns the names of all files that the run leaves.

    Each model is saved as it is done, and one that is there is not trained again. Writes importance.csv beside them.
    """
    facts, before = [], -1
    for c, fold in progress(list(models_of(run, data)), unit="model", label=run.name):
        made = saved_model(run.models, model_name(fold, data.label_set.names[c]))
        if made is None:
            if c != before:
                x, before = features_of(data, c, config.second_level), c
            made = train_model(run, data, x, c, fold, config)
        facts.append(made)
    write_importance(run, facts, feature_names(config.second_level.neighbours, data.label_set.names))
    return [IMPORTANCE, *(name for made in facts for name in (made["file"], facts_name(made["fold"], made["class"])))]


def predict_with(run: BoosterRun, models: Upstream, data: SecondLevelData, config: StackingConfig) -> np.ndarray:
    """The probabilities of all slices, (N, C): out of fold, and for test slices the mean over folds.

    Slices that no model is scored on stay 0.
    """
    found, threads = np.zeros(data.predictions.shape), compute_threads(config)
    is_test, before = data.folds == TEST_FOLD, -1
    for c, fold in models_of(run, data):
        if c != before:
            x, before = features_of(data, c, config.second_level), c
        made = read_json(models.file(facts_name(fold, data.label_set.names[c])))
        path, mine = models.file(made["file"]), data.folds == fold
        found[mine, c] = predict_booster(made["made_by"], path, x[mine], threads=threads)
        if is_test.any():
            found[is_test, c] += predict_booster(made["made_by"], path, x[is_test], threads=threads) / len(run.folds)
    return np.clip(found, 0, 1)  # a mean over folds may round beyond 1


def models_of(run: BoosterRun, data: SecondLevelData) -> Iterator[tuple[int, int]]:
    """The class and fold of each model."""
    return ((c, fold) for c in range(len(data.label_set.names)) for fold in run.folds)


def model_name(fold: int, class_name: str) -> str:
    """The name of a model's files, without their endings."""
    return f"fold{fold}_{class_name}"


def facts_name(fold: int, class_name: str) -> str:
    """The file with the facts of a model."""
    return f"fold{fold}_{class_name}.facts.json"


def saved_model(folder: Path, name: str) -> dict[str, Any] | None:
    """The facts of a model that was saved whole; None where there is none."""
    beside = folder / f"{name}.facts.json"
    if not beside.exists():
        return None
    facts: dict[str, Any] = read_json(beside)
    path = folder / facts["file"]
    if path.exists() and file_digest(path) == facts["sha256"]:
        return facts
    logger.warning("%s does not match the digest beside it; it is trained again", path)
    return None


def train_model(
    run: BoosterRun, data: SecondLevelData, x: np.ndarray, c: int, fold: int, config: StackingConfig
) -> dict[str, Any]:
    """Train and save the model of one class and fold, or the prior that stands in for it. x: (N, F), of class `c`.

    Returns its facts, which are written last.
    """
    class_name, watch = data.label_set.names[c], Stopwatch()
    name = model_name(fold, class_name)
    split = split_data(data, run.folds, fold, run.stopping)
    train, stop = (
        Samples(x[rows & data.known[:, c]], data.labels[rows & data.known[:, c], c])
        for rows in (split.train, split.early_stop)
    )
    reason, threads = why_prior(train, stop), compute_threads(config)
    made_by: str = PRIOR if reason else run.booster
    if reason:
        logger.warning("%s fold %d %s: %s; its prior stands in for a model", run.name, fold, class_name, reason)
        trained = prior_model(train, x.shape[1])
    else:
        names = feature_names(config.second_level.neighbours, data.label_set.names)
        trained = train_booster(run.booster, config.second_level, train, stop, names, threads=threads)
    path = run.models / f"{name}{SUFFIXES[made_by]}"
    write_bytes(path, trained.content)
    facts = {
        "made_by": made_by,
        "file": path.name,
        "class": class_name,
        "fold": fold,
        "learnt_folds": split.train_folds,
        "stop_fold": split.stop_fold,
        "rounds": trained.rounds,
        "slices": len(train.y),
        "slices_of_no_fold": int((data.folds == EVERY_FOLD).sum()),
        "positives": int(train.y.sum()),
        "importance": trained.importance.tolist(),
        "sha256": file_digest(path),
    }
    if not reason:
        loss = log_loss(predict_booster(made_by, path, stop.x, threads=threads), stop.y, clip=PROBABILITY_CLIP).mean()
        logger.info(
            "%s fold %d %s: %d rounds, log loss %.4f where it stopped, %.1f s",
            *(run.name, fold, class_name, trained.rounds, loss, watch.seconds),
        )
    write_json(run.models / facts_name(fold, class_name), facts)
    return facts


def write_importance(run: BoosterRun, facts: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Write importance.csv: class, fold, feature, share of the gain; models that are priors have none."""
    rows = [
        (made["class"], made["fold"], name, share)
        for made in facts
        if made["made_by"] != PRIOR
        for name, share in zip(names, made["importance"], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["class", "fold", "feature", "gain_share"])
    text = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_bytes(run.models / IMPORTANCE, text.encode())


def compute_threads(config: StackingConfig) -> int:
    """The configured number of threads, or one for each core that this process may use."""
    return config.threads or len(os.sched_getaffinity(0))
