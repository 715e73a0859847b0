"""The answers of a system of this competition's kind: of test slices or another data set, and of held-out slices.

N slices of the data set, T of them predicted as test slices, M held out in cross-validation; C names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.calibration import CALIBRATION, Level, write_calibration
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.evaluation.findings import (
    Answers,
    read_refused,
    slice_table,
    with_calibrated,
    write_answers,
    write_csv,
)
from hounsfield.core.evaluation.held_out import HeldOut, known_labels
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.out_of_fold_calibration import NO_ROW, Learned, OutOfFold, learn_calibration
from hounsfield.core.evaluation.score_table import System
from hounsfield.core.evaluation.study_rule import (
    RULE,
    Studies,
    StudyRule,
    learn_rule,
    of_studies,
    read_rule,
    study_labels,
    study_values,
    unscored_rule,
    write_rule,
)
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream

ANSWER_COLUMNS = ("image_id", "path", "study_uid", "series_uid", "series", "normal_mm", "order", "flags")  # of slices
OUT_OF_FOLD, STUDIES_OUT_OF_FOLD = "out_of_fold.csv", "out_of_fold_studies.csv"


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
    studies = Studies(*(column[clean] for column in held_out_studies(found)))
    labels = held_out.labels[clean].astype(np.float64)
    return learn_rule(label_set.names, found.out_of_fold[clean], labels, studies, held_out.patients[clean])


def held_out_studies(found: Predicted) -> Studies:
    """Which study, series and place each held-out slice has."""
    slices = answer_slices(found.slices)
    return Studies(*(slices[name].to_numpy()[found.held_out.rows] for name in ("study", "series", "order")))


def rule_of_run(label_set: LabelSet, run: Upstream | None, reason: str) -> StudyRule:
    """The rule that a finished run has found on its own data set. reason: why there may be none."""
    if run is None or RULE not in run.record["files"]:
        return unscored_rule(label_set.names, reason)
    return read_rule(run.file(RULE))


def learn_from(
    label_set: LabelSet, found: Predicted, rule: StudyRule, *, what: str, remedy: str, leak: str = ""
) -> Learned:
    """Calibrators and operating points of slices, and of studies by the rule, from the held-out slices.

    what: the predictions, and remedy: the commands that make them anew, for the message. leak: as for `rule_of`.
    """
    held_out = found.held_out
    labels = held_out.labels.astype(np.float64)
    levels: dict[Level, OutOfFold | str] = {
        "slice": OutOfFold(found.out_of_fold, labels, held_out.patients, found.seen, "slices"),
        "study": _by_study(found, rule) if len(labels) else NO_ROW,
    }
    if label_set.given_for != "row":
        levels["slice"] = f"each slice bears the label of its {label_set.given_for}"
    return learn_calibration(label_set.names, levels, found.data.folder.name, what=what, remedy=remedy, leak=leak)


def _by_study(found: Predicted, rule: StudyRule) -> OutOfFold:
    studies, held_out = held_out_studies(found), found.held_out
    values = study_values(found.out_of_fold, studies, rule.neighbours).to_numpy()
    labels = study_labels(held_out.labels, studies).to_numpy()
    patients, seen = (of_studies(one, studies) for one in (held_out.patients, found.seen))
    return OutOfFold(values, labels, patients, seen, f"studies ({rule.name})")


def write_results(
    folder: Path,
    label_set: LabelSet,
    found: Predicted,
    rule: StudyRule,
    trained_on: str,
    warnings: Mapping[str, Sequence[str]],
    learned: Learned,
) -> list[str]:
    """Write the tables of answers; returns their names. Where there is nothing to tell, there is no file.

    trained_on: what the models have learnt from, in words. warnings: by study.
    """
    names, slices, refused = [], answer_slices(found.slices), read_refused(found.data)
    about = rule, trained_on, refused, warnings, learned.calibration
    if found.is_test.any():
        names += write_answers(folder, Answers(slices[found.is_test], found.test, *about))
    if len(found.held_out.rows):
        held = slices.iloc[found.held_out.rows].reset_index(drop=True)
        answers = Answers(held, found.out_of_fold, *about, nested=learned.nested.get("slice"))
        labels = pd.DataFrame(found.held_out.labels, columns=label_set.names).add_prefix("label_")
        write_csv(folder / OUT_OF_FOLD, slice_table(answers).join(labels).assign(fold=found.held_out.folds))
        write_csv(folder / STUDIES_OUT_OF_FOLD, _study_table(label_set, found, rule, learned))
        names += [OUT_OF_FOLD, STUDIES_OUT_OF_FOLD]
    if names:
        write_rule(folder / RULE, rule)
        write_calibration(folder / CALIBRATION, learned.calibration)
        names += [RULE, CALIBRATION]
    return names


def _study_table(label_set: LabelSet, found: Predicted, rule: StudyRule, learned: Learned) -> pd.DataFrame:
    """A row per held-out study, sorted: probabilities by the rule, raw and calibrated, labels and fold."""
    studies, rows = held_out_studies(found), _by_study(found, rule)
    table = with_calibrated(label_set.names, rows.probabilities, learned.nested["study"])
    table.insert(0, "study", np.unique(studies.study))
    labels = pd.DataFrame(rows.labels, columns=label_set.names).add_prefix("label_")
    about = {"rule": rule.name, "calibration": learned.calibration.words("study")}
    return table.assign(**about).join(labels).assign(fold=of_studies(found.held_out.folds, studies))


def write_blend(
    folder: Path,
    label_set: LabelSet,
    data: Upstream,
    slices: pd.DataFrame,
    test: tuple[pd.DataFrame, np.ndarray],
    held_out: pd.DataFrame,
    blend: System | None,
    trained_on: Sequence[Mapping[str, Any] | None],
    remedy: str,
) -> tuple[list[str], Ledger]:
    """Write the tables of answers of a blend of several systems; returns their names, and whom its calibrators know.

    test: the test slices and their probabilities. held_out: the slices that are scored, and blend: their predictions;
    None where there are none. Both are rows of `slices`. trained_on: the facts of each system. remedy: the
    commands that make the predictions anew.
    """
    is_test, rows = (slices["image_id"].isin(part["image_id"]).to_numpy() for part in (test[0], held_out))
    labels = held_out[list(label_set.names)].to_numpy(np.float64, na_value=np.nan)
    labels, patients = known_labels(labels), held_out["patient_id"].to_numpy()
    held = HeldOut(np.flatnonzero(rows), held_out["fold"].to_numpy(np.int8), labels, patients)
    known, seen = (blend.probabilities, blend.seen) if blend else (np.zeros(labels.shape), patients)
    found = Predicted(data, slices, is_test, test[1], held, known, seen)
    words = " and ".join(dict.fromkeys(in_words(facts, data.folder.name) for facts in trained_on))
    leak = blend.by_design.words if blend else ""
    rule = rule_of(label_set, found, leak)
    learned = learn_from(label_set, found, rule, what=f"blend {folder.name}", remedy=remedy, leak=leak)
    return write_results(folder, label_set, found, rule, words, {}, learned), learned.ledger
