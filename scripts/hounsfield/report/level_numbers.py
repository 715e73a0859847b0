"""The numbers of one level of a run, by name of its columns: ranking, net benefit, and how often a row is positive.

N rows, C names.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.calibration import Calibration
from hounsfield.core.evaluation.metrics import auc_bootstrap, interval
from hounsfield.core.evaluation.run_report import Level, StageAnswers
from hounsfield.report.calibration_numbers import calibration_numbers
from hounsfield.report.json_numbers import number, numbers
from hounsfield.report.ranking import (
    DECISION_THRESHOLDS,
    area_under_roc,
    average_precision,
    benefit_of_all,
    counts_by_threshold,
    net_benefit,
    precision_recall,
    roc,
    thinned,
)

DRAWS = 400  # bootstrap samples of patients, for the interval of an area
SEED = 2019


def level_numbers(level: Level, calibration: Calibration, seen: Collection[str], by_design: str) -> dict[str, Any]:
    """Everything that the report says of a level.

    calibration: the run's. seen: patients whom what predicts them has seen, by_design: how, in words.
    """
    learned = calibration.levels.get(level.calibration, {})
    return {
        "rows": len(level.ids),
        "counted": counted_words(level, calibration, seen, by_design),
        "what": level.rows,
        "patients": len(pd.unique(level.patients)),
        "how": level.how,
        "answer": level.answer.name,
        "by_name": {
            name: {**_name_numbers(level, column), **calibration_numbers(level, column, learned.get(name))}
            for column, name in enumerate(level.names)
        },
        "calibration": calibration.words(level.calibration),
        "prevalence": prevalence(level),
    }


def counted_words(level: Level, calibration: Calibration, seen: Collection[str], by_design: str) -> dict[str, str]:
    """On which rows each table of the level counts, in words: what is calibrated leaves out whom models have seen."""
    known = int(np.isin(level.patients, list(seen)).sum())
    scored = f"all {len(level.ids)} scored {level.rows} of {count_of(len(pd.unique(level.patients)), 'patients')}"
    if known:
        scored += f"; what predicts {known} of them has seen their patients, by design ({by_design})"
    scored += "; of each class those with a known label"
    learned, names = calibration.notes.get(level.calibration, ""), calibration.levels.get(level.calibration, {})
    nested = f"; where a class is calibrated: {learned}, each by a calibrator of other patients"
    some = level.calibrated is not None and any(one.changes for one in names.values())
    called = f"{learned}; each is called by thresholds that were chosen on other patients (nested)"
    return {
        "ranking": scored,
        "reliability": scored + nested if some else scored,
        "points": called if names else "",
    }


def prevalence(level: Level) -> list[dict[str, Any]]:
    """By fold, and of all folds together: rows, patients, and of each name how many are known and positive."""
    found = []
    for fold in [*np.unique(level.folds).tolist(), None]:
        own = np.full(len(level.folds), True) if fold is None else level.folds == fold
        labels = level.labels[own]
        found.append(
            {
                "fold": "all" if fold is None else int(fold),
                "rows": int(own.sum()),
                "patients": len(pd.unique(level.patients[own])),
                "known": dict(zip(level.names, map(int, (~np.isnan(labels)).sum(axis=0)), strict=True)),
                "positive": dict(zip(level.names, map(int, (labels > 0.5).sum(axis=0)), strict=True)),
            }
        )
    return found


def _name_numbers(level: Level, column: int) -> dict[str, Any]:
    known = ~np.isnan(level.labels[:, column])
    positive = level.labels[known, column] > 0.5
    stages = {
        stage.name: _ranking(stage, column, known, positive)
        for stage in level.stages
        if stage is level.answer or stage.name in (level.compared or ())
    }
    counts = counts_by_threshold(level.answer.probabilities[known, column], positive)
    patients = pd.factorize(level.patients[known])[0]
    draws = np.full(1, np.nan)
    if counts.positives and counts.negatives:
        answer = level.answer.probabilities[known, column]
        draws = auc_bootstrap(answer, positive, patients, draws=DRAWS, seed=SEED)
    low, high = interval(draws)
    return {
        "known": int(known.sum()),
        "positive": counts.positives,
        "auc_low": number(low),
        "auc_high": number(high),
        "stages": stages,
        "decision_curve": {
            "threshold": DECISION_THRESHOLDS.tolist(),
            "model": numbers(net_benefit(counts)),
            "all": numbers(benefit_of_all(counts)),
        }
        if len(positive)
        else None,
    }


def _ranking(stage: StageAnswers, column: int, known: np.ndarray, positive: np.ndarray) -> dict[str, Any]:
    counts = counts_by_threshold(stage.probabilities[known, column], positive)
    curves: dict[str, Any] = {"roc": None, "precision_recall": None}
    if counts.positives and counts.negatives:
        false_rate, true_rate = thinned(*roc(counts))
        recall, precision = thinned(*precision_recall(counts))
        curves["roc"] = {"false_positive_rate": numbers(false_rate), "true_positive_rate": numbers(true_rate)}
        curves["precision_recall"] = {"recall": numbers(recall), "precision": numbers(precision)}
    areas = {"auc": number(area_under_roc(counts)), "average_precision": number(average_precision(counts))}
    return {**areas, **curves}
