"""What a finished run can learn about its own probabilities, from out-of-fold rows alone.

Patients are dealt into groups. What calibrates a row, and the threshold that it is judged by, were fitted on the other
groups; what is kept for new patients was fitted on all. Which of the methods is kept is asked of these nested values,
so that they are never worse than raw ones: that choice, one of three, is all that is made on the patients it is scored
on. One leak remains, as of every rule that is fitted on out-of-fold predictions: the models behind the other groups'
rows have seen the scored patient. N rows, C names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.calibration import Calibration, Level, NameCalibration, calibration_of_run
from hounsfield.core.evaluation.calibrator_fits import choose_method, cross_fitted, fit_calibrator, held_out_groups
from hounsfield.core.evaluation.calibrators import METHODS
from hounsfield.core.evaluation.operating_points import operating_points
from hounsfield.core.evaluation.out_of_fold import UNSEEN, check_seen
from hounsfield.core.evaluation.reliability import reliability_of
from hounsfield.core.evaluation.score_table import SEED
from hounsfield.core.folds.rules import fold_by_rarest_label
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream

GROUPS = 5
FEWEST = 5  # patients with positive rows, and with negative ones, of a name that is calibrated
NOT_BETTER = "no calibrator was better on other patients"
NO_ROW = "there is no labelled row that is out of fold"
PART = "calibration"  # of the output's ledger: whom the calibrators for new patients have seen


class OutOfFold(NamedTuple):
    """The rows of one level, and how what predicts them has seen their patients."""

    probabilities: np.ndarray  # (N, C)
    labels: np.ndarray  # (N, C), 0 to 1, NaN where unknown
    patients: np.ndarray  # (N,) pseudonyms
    seen: np.ndarray  # (N,) roles of a ledger; "": not at all. Other rows are left out
    what: str  # the rows in words, as "slices"; of studies, by which rule they are answered

    def of(self, rows: np.ndarray) -> OutOfFold:
        """Some of the rows. rows: (N,) bool."""
        return OutOfFold(self.probabilities[rows], self.labels[rows], self.patients[rows], self.seen[rows], self.what)


class Learned(NamedTuple):
    """A calibration, and the values of the rows that it was learnt from."""

    calibration: Calibration
    nested: dict[Level, np.ndarray]  # (N, C) by level, each row by calibrators of other patients; NaN: not calibrated
    ledger: Ledger  # whom the calibrators have seen: PART, and a part for those that are asked about each group

    @classmethod
    def by_run(cls, run: Upstream | None, reason: str) -> Learned:
        """What a finished run has learnt, for rows of another data set. reason: why there may be no run."""
        calibration = calibration_of_run(run, reason)
        if run is None or not calibration.levels:
            return cls(calibration, {}, Ledger.nobody())
        rows = run.learned().rows
        return cls(calibration, {}, Ledger.joined([rows[rows["part"] == PART]]))


def group_part(group: int) -> str:
    """The part of the ledger that names whom the calibrators have seen that are asked about a group's patients."""
    return f"{PART} of group {group}"


def learn_calibration(
    names: Sequence[str],
    levels: Mapping[Level, OutOfFold | str],
    data_set: str,
    *,
    what: str,
    remedy: str,
    leak: str = "",
) -> Learned:
    """Learn calibrators and operating points of each name at each level.

    levels: the rows of each; or, in words, why it has none. data_set: that the patients are of. what: the predictions,
    and remedy: the commands that make them anew, for the message. leak: in words, how models have seen patients by
    design; those rows are left out.
    Raises BadInput where a calibrator has seen a patient that it is asked about.
    """
    notes = {level: rows for level, rows in levels.items() if isinstance(rows, str)}
    given = {level: rows for level, rows in levels.items() if isinstance(rows, OutOfFold)}
    clean = {level: (rows.seen == "") & ~np.isnan(rows.labels).all(axis=1) for level, rows in given.items()}
    used = {level: given[level].of(rows) for level, rows in clean.items() if rows.any()}
    for level in given.keys() - used.keys():
        notes[level] = NO_ROW if (given[level].seen == "").any() else leak or NO_ROW
    nested = {level: np.full(rows.probabilities.shape, np.nan) for level, rows in given.items()}
    if not used:
        return Learned(Calibration(notes=notes), nested, Ledger.nobody())
    patients = np.concatenate([rows.patients for rows in used.values()])
    groups = patient_groups(patients, np.concatenate([rows.labels for rows in used.values()]))
    ledger = fitted_on(data_set, patients, groups)
    refuse_fitted_patients(ledger, patients, groups, what, remedy)
    group_of, known = dict(zip(patients, groups, strict=True)), {}
    for level, rows in used.items():
        own = np.array([group_of[patient] for patient in rows.patients])
        known[level], nested[level][clean[level]] = _learn_level(names, rows, own)
        left = int((given[level].seen != "").sum())
        left_out = f"; without {left} whose patients models have seen" if left else ""
        notes[level] = (
            f"{len(own)} out-of-fold {rows.what} of {count_of(len(set(rows.patients)), 'patients')}{left_out}"
        )
    return Learned(Calibration(known, notes), nested, ledger)


def patient_groups(patients: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The group of each row, (N,): whole patients, positives of rare names spread. labels: (N, C), NaN where unknown.

    The same patients with the same labels get the same groups, in whatever order their rows come. The rule is that of
    folds; a change of it changes which calibrators there are.
    """
    return fold_by_rarest_label(pd.Series(patients), (labels >= 0.5).astype(np.int8), GROUPS, SEED)


def fitted_on(data_set: str, patients: np.ndarray, groups: np.ndarray) -> Ledger:
    """Whom the calibrators of each group, and those for new patients, are fitted on. patients, groups: (N,)."""
    parts = [
        Ledger.of(data_set, patients[fitted], part=group_part(int(groups[scored][0])))
        for scored, fitted in held_out_groups(groups)
    ]
    return Ledger.joined([*parts, Ledger.of(data_set, patients, part=PART)])


def refuse_fitted_patients(ledger: Ledger, patients: np.ndarray, groups: np.ndarray, what: str, remedy: str) -> None:
    """Raise BadInput, naming both, where the calibrators that are asked about a patient have seen that patient."""
    for group in np.unique(groups):
        own = pd.unique(patients[groups == group])
        named = f"{what}, {group_part(int(group))}"
        check_seen(named, own, ledger.roles_of(own, group_part(int(group))), UNSEEN, remedy)


def _learn_level(
    names: Sequence[str], rows: OutOfFold, groups: np.ndarray
) -> tuple[dict[str, NameCalibration], np.ndarray]:
    known, nested = {}, np.full(rows.probabilities.shape, np.nan)
    for c, name in enumerate(names):
        labelled = ~np.isnan(rows.labels[:, c])
        one = rows.of(labelled)
        values, labels = one.probabilities[:, c].astype(np.float64), one.labels[:, c].astype(np.float64)
        known[name], nested[labelled, c] = learn_name(values, labels, one.patients, groups[labelled])
    return known, nested


def learn_name(
    probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray, groups: np.ndarray
) -> tuple[NameCalibration, np.ndarray]:
    """Learn one name; returns the nested values beside it, (n,), NaN where nothing could be learnt.

    A calibrator is kept where it lowers the calibration error of patients that it was not fitted on, and does not
    raise their log loss; else raw probabilities are. probabilities, labels, patients, groups: (n,), labels known.
    """
    positive, codes = labels >= 0.5, pd.factorize(patients)[0]
    counts = [np.count_nonzero(np.bincount(codes[kind])) for kind in (positive, ~positive)]
    about = int(codes.max(initial=-1)) + 1, int(positive.sum()), int((~positive).sum())
    if min(counts) < FEWEST:
        some = count_of(int(counts[0]), "patients")
        reason = f"positives of {some} and negatives of {counts[1]}; {FEWEST} of each are needed"
        return NameCalibration(None, reason, *about), np.full(len(labels), np.nan)
    raw = reliability_of(probabilities, labels)
    nested = {method: cross_fitted(method, probabilities, labels, groups) for method in METHODS}
    worth = {method: raw if method == "none" else reliability_of(nested[method], labels) for method in METHODS}
    method = choose_method(raw, worth)
    found, reason = fit_calibrator(method, probabilities, labels), "" if method != "none" else NOT_BETTER
    points = operating_points(probabilities, labels, codes, groups)
    return NameCalibration(found, reason, *about, raw, worth[method], points), nested[method]
