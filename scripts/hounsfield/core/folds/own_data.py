"""Folds of one's own data: stratified, the same anywhere, and refused where they cannot work."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hounsfield.core.errors import WrongTable
from hounsfield.core.folds.rules import fold_by_rarest_label

SEEDS = range(20)  # of the draws between equally good folds; the first whose folds all hold every class is taken


def folds_of_own_data(patients: pd.Series, labels: pd.DataFrame, count: int, *, source: str, option: str) -> np.ndarray:
    """Folds by each patient's rarest class, (N,) int8. Patients stay whole, and the same ones get the same folds.

    patients: (N,) what a patient is known by, the same in whatever folder and under whatever pseudonym. labels: (N, C),
    NaN where unknown; positive above 0.5. source: the table of labels, and option: the setting of `count`, for the
    message. Raises WrongTable where a fold would lack positives of a class that there is, with the largest number that
    works, and --force, since the data set was begun with the other one.
    """
    positive = (labels > 0.5).to_numpy()
    for number in range(count, 1, -1):
        folds = _folds_that_work(patients, positive, number)
        if folds is not None and number == count:
            return folds
        if folds is not None:
            raise WrongTable(f"{source}: {_reason(patients, labels, count)}; the largest number of folds that works is "
                           f"{number}: {option} {number} --force")  # fmt: skip
    raise WrongTable(f"{source}: {_reason(patients, labels, count)}, and no smaller number works either. Label more "
                   "patients, or leave such classes out: --classes NAME [NAME ...]")  # fmt: skip


def _folds_that_work(patients: pd.Series, positive: np.ndarray, count: int) -> np.ndarray | None:
    """Folds each of which has patients, and positives of every class that has any; None where there are none."""
    wanted = positive.any(axis=0)
    if patients.nunique() < count:
        return None
    for seed in SEEDS:
        folds = fold_by_rarest_label(patients, positive.astype(np.int8), count, seed)
        held = [positive[folds == fold].any(axis=0) for fold in range(count) if (folds == fold).any()]
        if len(held) == count and np.array(held)[:, wanted].all():
            return folds
    return None


def _reason(patients: pd.Series, labels: pd.DataFrame, count: int) -> str:
    shown = {name: patients[(labels[name] > 0.5).to_numpy()].nunique() for name in labels.columns}
    few = [f"{name} in {number}" for name, number in shown.items() if 0 < number < 2 * count]
    counted = f"{patients.nunique()} labelled patients"
    return f"{count} folds are too many for {counted}" + (f" ({', '.join(few)} of them)" if few else "")


def fold_table(folds: np.ndarray, patients: pd.Series, labels: pd.DataFrame, *, rows: str = "slices") -> str:
    """Patients, rows, and positive rows of each class, by fold, as aligned text. rows: what they are called."""
    frame = (labels > 0.5).astype(int).groupby(folds).sum()
    frame.insert(0, rows, pd.Series(folds).value_counts().sort_index().to_numpy())
    frame.insert(0, "patients", patients.groupby(folds).nunique().to_numpy())
    return str(frame.rename_axis("fold").reset_index().to_string(index=False))
