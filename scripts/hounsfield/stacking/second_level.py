"""The second level: one boosted model a class and fold, and what it predicts. Stage 44; stage 45 reads the tables.

Early stopping needs slices that the model does not learn from. `nested` takes the next of the training folds: the
scored fold stays unseen. `scored_fold` takes the scored fold itself, as published: its out-of-fold scores are
optimistic. In both, as in all stacking, the classifiers behind the features that are learnt from have seen the scored
fold's labels.
N slices, C = 6 classes, F features.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS, PROBABILITY_CLIP
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.metrics import log_loss
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table
from hounsfield.core.logs import Stopwatch, logger, progress
from hounsfield.core.stages.command import Command
from hounsfield.core.storage.files import file_digest, read_json, write_bytes, write_json
from hounsfield.stacking.boosters import (
    PRIOR,
    SUFFIXES,
    Samples,
    booster_settings,
    not_installed,
    predict_booster,
    prior_model,
    train_booster,
    why_prior,
)
from hounsfield.stacking.config import Booster, SecondLevelConfig, StackingConfig
from hounsfield.stacking.features import COLUMNS, Studies, class_features, feature_names, index_studies
from hounsfield.stacking.paths import boosters_folder, second_level_path

Stopping = Literal["nested", "scored_fold"]
StackingCommand = Command[StackingConfig]
NESTED: Stopping = "nested"
SCORED_FOLD: Stopping = "scored_fold"
STOPPINGS: tuple[Stopping, ...] = (NESTED, SCORED_FOLD)
LEARN = "sh bin/run_44_stacking_second_level.sh"
SLICE_COLUMNS = ("image_id", "split", "fold", "patient_id", "hu_crc32", *COLUMNS, *CLASSES)  # of the stacking slices


# in place of a fold's number: a test slice; a slice of a fold that is left out; and one without brain that is in no
# fold, as published: all models learn from it, and none is scored on it
TEST_FOLD, NO_FOLD, EVERY_FOLD = -1, -2, -3


class Case(NamedTuple):
    """What all models learn from and predict: all slices, study by study in their order."""

    images: np.ndarray  # (N,) image_id
    rows: np.ndarray  # (N,) where they stand in the stacking slices
    folds: np.ndarray  # (N,) int8; TEST_FOLD, NO_FOLD, EVERY_FOLD
    labels: np.ndarray  # (N, C) int8; 0 where there is none
    predictions: np.ndarray  # (N, C) float64, the first level's
    studies: Studies

    @property
    def predicted(self) -> np.ndarray:
        """Which slices have a place in the table of predictions, (N,) bool."""
        return self.folds >= TEST_FOLD


class Run(NamedTuple):
    """One library with one way of early stopping: its models, and the table that they predict."""

    booster: Booster
    stopping: Stopping
    folder: Path  # of models
    table: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """For log lines."""
        return f"{self.booster} {self.stopping}"


def installed_boosters(wanted: Sequence[Booster], *, skip_missing: bool) -> list[Booster]:
    """Those of the wanted libraries that can be used.

    Raises MissingInput, naming the others and the remedy, unless they are to be skipped and some are left.
    """
    missing = not_installed(wanted)
    left = [booster for booster in dict.fromkeys(wanted) if booster not in missing]
    if missing and not (skip_missing and left):
        facts = "\n".join(f"  {fact}" for fact in missing.values())
        raise MissingInput(f"libraries of the second level are missing:\n{facts}\nor go on without: --skip-missing")
    for fact in missing.values():
        logger.warning("%s; going on without it", fact)
    return left


def open_case(slices: pd.DataFrame, predictions: np.ndarray, folds: Sequence[int], source: str) -> Case:
    """Check and arrange what is learnt from.

    slices: the columns SLICE_COLUMNS of the stacking slices, of which `source` is the file; predictions: (N, C).
    A study of which some slices have labels stands in two places of that table; here it is in one piece.
    Raises BadInput naming the file when a label is missing, or when its studies are not what they should be.
    """
    along = np.lexsort((slices["order"], slices["series"]))
    slices = slices.iloc[along]
    is_test = (slices["split"] == "test").to_numpy()
    fold = slices["fold"].to_numpy(np.float64)
    labels = slices[list(CLASSES)].to_numpy(np.float64)
    no_fold = np.isnan(fold) & slices["hu_crc32"].isna().to_numpy() & ~is_test  # it shows no brain
    unlabelled = ~(np.isin(labels, (0, 1)).all(axis=1) & (np.isfinite(fold) | no_fold)) & ~is_test
    if unlabelled.any():
        first = slices["image_id"].iloc[int(unlabelled.argmax())]
        raise BadInput(f"{source}: {unlabelled.sum()} training slices lack a label or the fold; the first is {first}")
    return Case(
        images=slices["image_id"].to_numpy(),
        rows=along,
        folds=np.select([is_test, no_fold, np.isin(fold, list(folds))], [TEST_FOLD, EVERY_FOLD, fold], NO_FOLD).astype(
            np.int8
        ),
        labels=np.where(is_test[:, np.newaxis], 0, labels).astype(np.int8),
        predictions=predictions[along],
        studies=index_studies(slices, source),
    )


def second_level_run(
    command: StackingCommand, booster: Booster, stopping: Stopping, folds: Sequence[int], inputs: dict[str, str]
) -> Run:
    """Where one run's files lie and what they rest on. inputs: digests of the slice table and the classifiers' tables.

    Settings of the other libraries, and the number of threads, do not count.
    """
    config, work, experiment = command.config, command.work, command.experiment
    manifest = {
        "stage": "stacking_second_level",
        "experiment": experiment,
        "data_set": config.data_set,
        "booster": booster,
        "stopping": stopping,
        "settings": {
            "folds": list(folds),
            "neighbours": config.second_level.neighbours,
            "before_first": config.second_level.before_first,
            "study_mean": config.second_level.study_mean,
            booster: booster_settings(booster, config.second_level),
        },
        "inputs": inputs,
    }
    folder = boosters_folder(work, experiment, booster, stopping)
    return Run(booster, stopping, folder, second_level_path(work, experiment, booster, stopping), manifest)


def split_folds(folds: Sequence[int], fold: int, stopping: Stopping) -> tuple[list[int], int]:
    """The folds to learn from and the one to stop by, when `fold` is scored. Folds hold whole patients.

    Raises WrongUse when there are too few: two for `scored_fold`, three for `nested`.
    """
    ordered = sorted(folds)
    least = 3 if stopping == NESTED else 2
    if len(ordered) < least:
        raise WrongUse(f"early stopping {stopping} needs {least} folds, and there are {len(ordered)}: {ordered}")
    stop = fold if stopping == SCORED_FOLD else ordered[(ordered.index(fold) + 1) % len(ordered)]
    return [other for other in ordered if other not in (fold, stop)], stop


def run_models(run: Run, case: Case, config: StackingConfig) -> np.ndarray:
    """Train what is missing of the run's models, and predict: (N, C), out of fold, and for test the mean over folds.

    Slices that no model is scored on stay 0. Each model is saved as it is done, and one that is there is not trained
    again. Writes importance.csv beside them.
    """
    folds, threads = run.manifest["settings"]["folds"], compute_threads(config)
    found = np.zeros(case.predictions.shape)
    is_test = case.folds == TEST_FOLD
    facts: list[dict[str, Any]] = []
    models = [(c, fold) for c in range(len(CLASSES)) for fold in folds]
    before = -1
    for c, fold in progress(models, unit="model", label=run.name):
        if c != before:
            x, before = features_of(case, c, config.second_level), c
        mine = case.folds == fold
        saved = saved_model(run.folder, f"fold{fold}_{CLASSES[c]}")
        path, made = saved or train_model(run, case, x, c, fold, config)
        facts.append(made)
        found[mine, c] = predict_booster(made["made_by"], path, x[mine], threads=threads)
        if is_test.any():
            found[is_test, c] += predict_booster(made["made_by"], path, x[is_test], threads=threads) / len(folds)
    write_importance(run, facts, feature_names(config.second_level.neighbours))
    return np.clip(found, 0, 1)  # a mean over folds may round beyond 1


def features_of(case: Case, c: int, config: SecondLevelConfig) -> np.ndarray:
    """The features of class `c` as the configuration wants them, (N, F)."""
    return class_features(
        case.predictions,
        c,
        case.studies,
        config.neighbours,
        before_first=config.before_first,
        study_mean=config.study_mean,
    )


def saved_model(folder: Path, name: str) -> tuple[Path, dict[str, Any]] | None:
    """The file and the facts of a model that was saved whole; None where there is none."""
    beside = folder / f"{name}.facts.json"
    if not beside.exists():
        return None
    facts = read_json(beside)
    path = folder / f"{name}{SUFFIXES[facts['made_by']]}"
    if path.exists() and file_digest(path) == facts["sha256"]:
        return path, facts
    logger.warning("%s does not match the digest beside it; it is trained again", path)
    return None


def train_model(
    run: Run, case: Case, x: np.ndarray, c: int, fold: int, config: StackingConfig
) -> tuple[Path, dict[str, Any]]:
    """Train and save the model of one class and fold, or the prior that stands in for it. x: (N, F), of class `c`.

    Returns its file and its facts, which are written last.
    """
    name, watch = f"fold{fold}_{CLASSES[c]}", Stopwatch()
    learnt_folds, stop_fold = split_folds(run.manifest["settings"]["folds"], fold, run.stopping)
    learnt, stopped = np.isin(case.folds, [*learnt_folds, EVERY_FOLD]), case.folds == stop_fold
    train, stop = Samples(x[learnt], case.labels[learnt, c]), Samples(x[stopped], case.labels[stopped, c])
    reason, threads = why_prior(train, stop), compute_threads(config)
    made_by: str = PRIOR if reason else run.booster
    if reason:
        logger.warning("%s fold %d %s: %s; its prior stands in for a model", run.name, fold, CLASSES[c], reason)
        trained = prior_model(train, x.shape[1])
    else:
        names = feature_names(config.second_level.neighbours)
        trained = train_booster(run.booster, config.second_level, train, stop, names, threads=threads)
    path = run.folder / f"{name}{SUFFIXES[made_by]}"
    write_bytes(path, trained.content)
    facts = {
        "made_by": made_by,
        "class": CLASSES[c],
        "fold": fold,
        "learnt_folds": learnt_folds,
        "stop_fold": stop_fold,
        "rounds": trained.rounds,
        "slices": len(train.y),
        "slices_of_no_fold": int((case.folds == EVERY_FOLD).sum()),
        "positives": int(train.y.sum()),
        "importance": trained.importance.tolist(),
        "sha256": file_digest(path),
    }
    if not reason:
        loss = log_loss(predict_booster(made_by, path, stop.x, threads=threads), stop.y, clip=PROBABILITY_CLIP).mean()
        logger.info(
            "%s fold %d %s: %d rounds, log loss %.4f where it stopped, %.1f s",
            *(run.name, fold, CLASSES[c], trained.rounds, loss, watch.seconds),
        )
    write_json(run.folder / f"{name}.facts.json", facts)
    return path, facts


def write_importance(run: Run, facts: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Write importance.csv: class, fold, feature, share of the gain; models that are priors have none."""
    rows = [
        (made["class"], made["fold"], name, share)
        for made in facts
        if made["made_by"] != PRIOR
        for name, share in zip(names, made["importance"], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["class", "fold", "feature", "gain_share"])
    text = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_bytes(run.folder / "importance.csv", text.encode())


def prediction_frame(case: Case, probabilities: np.ndarray) -> pd.DataFrame:
    """Probabilities (N, C) as a table of predictions, in the order of the stacking slices."""
    split = np.where(case.folds == TEST_FOLD, TEST, OUT_OF_FOLD)
    frame = prediction_table(LABELS, case.images, split, probabilities)
    in_order = np.argsort(case.rows)
    return frame.iloc[in_order[case.predicted[in_order]]]


def compute_threads(config: StackingConfig) -> int:
    """The configured number of threads, or one for each core that this process may use."""
    return config.threads or len(os.sched_getaffinity(0))
