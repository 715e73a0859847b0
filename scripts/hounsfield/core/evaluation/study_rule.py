"""From slices to a study: a named rule, chosen and scored on studies whose patients no model behind them has seen.

The rule is the highest mean over k neighbouring slices of one series; with k = 1 that is the maximum. A name is
answered yes from a threshold on. N slices, S studies, C names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.metrics import auc_by_class
from hounsfield.core.evaluation.operating_points import POINTS, best_thresholds
from hounsfield.core.storage.files import read_json, write_json

RULE = "study_rule.json"  # the file
NEIGHBOURS = (1, 2, 3, 5)  # the rules that are tried; of equally good ones the first
PATIENT_GROUPS = 5  # each is scored by a rule and thresholds that were chosen on the others
UNSCORED_THRESHOLD = 0.5


class Studies(NamedTuple):
    """Which study, series and place each slice has."""

    study: np.ndarray  # (N,) identifiers
    series: np.ndarray  # (N,) numbers or identifiers
    order: np.ndarray  # (N,) places in the series


@dataclass(frozen=True)
class Answer:
    """How one name is answered: from which probability of a study on, and how often that was right out of fold."""

    threshold: float
    sensitivity: float | None  # None: there was no such study to score it on
    specificity: float | None
    positives: int  # studies
    negatives: int


@dataclass(frozen=True)
class StudyRule:
    """How a study is answered."""

    neighbours: int  # slices beside each other whose mean counts
    answers: dict[str, Answer]  # by name, in the order of the columns
    scored_on: str  # in words

    @property
    def name(self) -> str:
        """The rule in words."""
        return "maximum" if self.neighbours == 1 else f"highest mean of {self.neighbours} neighbouring slices"

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"rule": self.name, "names": list(self.answers), **asdict(self)}


def unscored_rule(names: Sequence[str], reason: str) -> StudyRule:
    """The maximum and a threshold of 0.5, where there is no out-of-fold study to choose by. reason: why not."""
    return StudyRule(1, {name: Answer(UNSCORED_THRESHOLD, None, None, 0, 0) for name in names}, f"not scored: {reason}")


def study_values(probabilities: np.ndarray, studies: Studies, neighbours: int) -> pd.DataFrame:
    """The highest mean over `neighbours` slices of one series, by study (sorted) and column: S rows.

    A series that is shorter counts with the mean of all its slices. probabilities: (N, C).
    """
    along = np.lexsort((studies.order, pd.factorize(studies.series)[0], pd.factorize(studies.study)[0]))
    study, series, values = studies.study[along], studies.series[along], probabilities[along]
    first = np.full(len(along), True)
    first[1:] = (study[1:] != study[:-1]) | (series[1:] != series[:-1])
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(along))
    highest = [_highest_mean(values[start:end], neighbours) for start, end in zip(starts, ends, strict=False)]
    frame = pd.DataFrame(np.reshape(highest, (len(starts), probabilities.shape[1])), index=study[starts])
    return frame.groupby(level=0).max()


def study_labels(labels: np.ndarray, studies: Studies) -> pd.DataFrame:
    """The highest known label of each study (sorted), S rows; NaN where none is known. labels: (N, C), NaN likewise."""
    shown = study_values(np.nan_to_num(labels.astype(np.float64), nan=-1.0), studies, 1)
    return shown.where(shown >= 0)


def of_studies(values: np.ndarray, studies: Studies) -> np.ndarray:
    """What is the same for all slices of a study, (N,), by study (sorted): (S,)."""
    return pd.Series(values, studies.study).groupby(level=0).first().to_numpy()


def _highest_mean(values: np.ndarray, neighbours: int) -> np.ndarray:
    """(n, C) in order of place -> (C,)."""
    wide = min(neighbours, len(values))
    sums = np.cumsum(np.vstack([np.zeros_like(values[:1]), values]), axis=0)
    means: np.ndarray = (sums[wide:] - sums[:-wide]) / wide
    return means.max(axis=0)


def learn_rule(
    names: Sequence[str], probabilities: np.ndarray, labels: np.ndarray, studies: Studies, patients: np.ndarray
) -> StudyRule:
    """Choose the rule with the highest mean AUC over names, and of each name the threshold of Youden's index.

    probabilities, labels: (N, C) of out-of-fold slices; a label may be NaN where it is unknown, and counts as positive
    from 0.5 on. patients: (N,). Sensitivity and specificity are those of rules and thresholds that were chosen on other
    patients; with a single patient there are none.
    """
    shown = study_labels(labels, studies)
    patient = of_studies(patients, studies)
    truth = np.where(shown.isna(), np.nan, shown >= 0.5)
    values = {k: study_values(probabilities, studies, k).loc[shown.index].to_numpy() for k in NEIGHBOURS}
    codes, distinct = pd.factorize(patient, sort=True)
    groups = codes % min(PATIENT_GROUPS, len(distinct))
    answered = np.full(truth.shape, np.nan)
    for group in np.unique(groups) if len(distinct) > 1 else ():
        k, thresholds = _choose(values, truth, groups != group)
        answered[groups == group] = values[k][groups == group] >= thresholds
    k, thresholds = _choose(values, truth, np.full(len(truth), True))
    answers = {name: _answer(thresholds[c], answered[:, c], truth[:, c]) for c, name in enumerate(names)}
    on = f"{count_of(len(shown), 'out-of-fold studies')} of {count_of(len(distinct), 'patients')}"
    return StudyRule(k, answers, f"{on}, by rules chosen on other patients")


def _choose(values: dict[int, np.ndarray], truth: np.ndarray, of: np.ndarray) -> tuple[int, np.ndarray]:
    """The best number of neighbours and the thresholds (C,), on the studies `of`, (S,) bool."""
    areas = {k: _mean_auc(one[of], truth[of]) for k, one in values.items()}
    best = max(areas, key=lambda k: areas[k])  # the first of equals
    columns = zip(values[best][of].T, truth[of].T, strict=True)
    return best, np.array([_youden(*column) for column in columns])


def _mean_auc(values: np.ndarray, truth: np.ndarray) -> float:
    known = [~np.isnan(column) for column in truth.T]
    areas = [
        auc_by_class(values[rows, c : c + 1], truth[rows, c : c + 1])[0] for c, rows in enumerate(known) if rows.any()
    ]
    return float(np.nanmean(areas)) if not np.isnan(areas).all() else 0.0


def _youden(values: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the highest sensitivity + specificity, midway between studies; 0.5 where one of them lacks."""
    known = ~np.isnan(truth)
    threshold = best_thresholds(values[known], truth[known] == 1)[POINTS.index("youden")]
    return UNSCORED_THRESHOLD if np.isnan(threshold) else float(threshold)


def _answer(threshold: float, answered: np.ndarray, truth: np.ndarray) -> Answer:
    known = ~np.isnan(answered)
    positive, negative = known & (truth == 1), known & (truth == 0)
    sensitivity = float(answered[positive].mean()) if positive.any() else None
    specificity = float(1 - answered[negative].mean()) if negative.any() else None
    return Answer(float(threshold), sensitivity, specificity, int((truth == 1).sum()), int((truth == 0).sum()))


def write_rule(path: Path, rule: StudyRule) -> None:
    """Write a rule as JSON."""
    write_json(path, rule.as_json())


def read_rule(path: Path) -> StudyRule:
    """Read what `write_rule` wrote."""
    found = read_json(path)
    answers = {name: Answer(**found["answers"][name]) for name in found["names"]}
    return StudyRule(found["neighbours"], answers, found["scored_on"])
