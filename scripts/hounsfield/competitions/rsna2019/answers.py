"""The answers of a system of this competition's kind: of test slices or another data set, and of held-out slices.

N slices of the data set, T of them predicted as test slices, M held out in cross-validation; C names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.evaluation.findings import Answers, read_refused, slice_table, write_answers, write_csv
from hounsfield.core.evaluation.held_out import HeldOut, known_labels
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.scores import System
from hounsfield.core.evaluation.study_rule import Studies, StudyRule, learn_rule, read_rule, unscored_rule, write_rule
from hounsfield.core.stages.upstream import Upstream

ANSWER_COLUMNS = ("image_id", "path", "study_uid", "series_uid", "series", "normal_mm", "order", "flags")  # of slices
OUT_OF_FOLD, RULE = "out_of_fold.csv", "study_rule.json"


class Predicted(NamedTuple):
    """What is predicted of one data set."""

    data: Upstream
    slices: pd.DataFrame  # N rows with ANSWER_COLUMNS, fold, patient_id and the labels
    is_test: np.ndarray  # (N,) bool
    test: np.ndarray  # (T, C) probabilities
    held_out: HeldOut
    out_of_fold: np.ndarray  # (M, C) probabilities
    seen: np.ndarray  # (M,) how what predicts a held-out slice has seen its patient; "": not at all


def answer_slices(slices: pd.DataFrame) -> pd.DataFrame:
    """Slices under the names of the tables of answers; a second series of one identifier has a number behind it."""
    part = slices.groupby("series_uid")["series"].rank("dense").astype(int)
    series = slices["series_uid"] + np.where(part > 1, "/" + part.astype(str), "")
    names = {"study_uid": "study", "path": "file", "normal_mm": "position_mm"}
    return slices.rename(columns=names).assign(series=series, flags=slices["flags"].fillna(""))


def rule_of(label_set: LabelSet, found: Predicted, leak: str = "") -> StudyRule:
    """The rule that is best on the held-out slices that nothing behind their prediction has learnt from.

    leak: in words, how the others were seen.
    """
    clean, held_out = found.seen == "", found.held_out
    if not clean.any():
        return unscored_rule(label_set.names, leak or "no slice is out of fold")
    rows, slices = held_out.rows[clean], answer_slices(found.slices)
    studies = Studies(*(slices[name].to_numpy()[rows] for name in ("study", "series", "order")))
    labels = held_out.labels[clean].astype(np.float64)
    return learn_rule(label_set.names, found.out_of_fold[clean], labels, studies, held_out.patients[clean])


def rule_of_run(label_set: LabelSet, run: Upstream | None, reason: str) -> StudyRule:
    """The rule that a finished run has found on its own data set. reason: why there may be none."""
    if run is None or RULE not in run.record["files"]:
        return unscored_rule(label_set.names, reason)
    return read_rule(run.file(RULE))


def write_results(
    folder: Path,
    label_set: LabelSet,
    found: Predicted,
    rule: StudyRule,
    trained_on: str,
    warnings: Mapping[str, Sequence[str]],
) -> list[str]:
    """Write the tables of answers; returns their names. Where there is nothing to tell, there is no file.

    trained_on: what the models have learnt from, in words. warnings: by study.
    """
    names, slices = [], answer_slices(found.slices)
    if found.is_test.any():
        answers = Answers(slices[found.is_test], found.test, rule, trained_on, read_refused(found.data), warnings)
        names += write_answers(folder, answers)
    if len(found.held_out.rows):
        held = slices.iloc[found.held_out.rows].reset_index(drop=True)
        table = slice_table(Answers(held, found.out_of_fold, rule, trained_on, read_refused(found.data)))
        labels: dict[str, Any] = {
            f"label_{name}": found.held_out.labels[:, c] for c, name in enumerate(label_set.names)
        }
        write_csv(folder / OUT_OF_FOLD, table.assign(**labels, fold=found.held_out.folds))
        names.append(OUT_OF_FOLD)
    if names:
        write_rule(folder / RULE, rule)
        names.append(RULE)
    return names


def write_blend(
    folder: Path,
    label_set: LabelSet,
    data: Upstream,
    slices: pd.DataFrame,
    test: tuple[pd.DataFrame, np.ndarray],
    held_out: pd.DataFrame,
    blend: System | None,
    trained_on: Sequence[Mapping[str, Any] | None],
) -> list[str]:
    """Write the tables of answers of a blend of several systems; returns their names.

    test: the test slices and their probabilities. held_out: the slices that are scored, and blend: their predictions;
    None where there are none. Both are rows of `slices`. trained_on: the facts of each system.
    """
    is_test, rows = (slices["image_id"].isin(part["image_id"]).to_numpy() for part in (test[0], held_out))
    labels = held_out[list(label_set.names)].to_numpy(np.float64, na_value=np.nan)
    labels, patients = known_labels(labels), held_out["patient_id"].to_numpy()
    held = HeldOut(np.flatnonzero(rows), held_out["fold"].to_numpy(np.int8), labels, patients)
    known, seen = (blend.probabilities, blend.seen) if blend else (np.zeros(labels.shape), patients)
    found = Predicted(data, slices, is_test, test[1], held, known, seen)
    words = " and ".join(dict.fromkeys(in_words(facts, data.folder.name) for facts in trained_on))
    rule = rule_of(label_set, found, blend.by_design.words if blend else "")
    return write_results(folder, label_set, found, rule, words, {})
