"""Cross-validation folds that keep patients whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from hounsfield.core.errors import WrongTable

SHOWN = 10  # rows in a message


def fold_by_first_row(patients: pd.Series, rows: np.ndarray, count: int) -> np.ndarray:
    """A patient's fold is the row number of its first slice, modulo `count` (RSNA 2019, 2nd place).

    patients: (N,) identifiers. rows: (N,) row numbers in the table that defines the folds; the published one holds
    every labelled image, sorted by identifier, so that a file that cannot be read changes no other patient's fold.
    Returns (N,) int8. Patients stay whole; fold sizes are only roughly even.
    """
    first_row = pd.Series(rows, index=patients.index).groupby(patients).transform("min")
    return (first_row.to_numpy() % count).astype(np.int8)


def fold_by_rarest_label(patients: pd.Series, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Each patient goes to the fold that has the fewest of its rarest label so far (RSNA 2019, 11th place).

    patients: (N,) identifiers, in any order: they are placed one by one, sorted. labels: (N, L) of 0 and 1, a row a
    slice. A patient's rarest label is, of those it shows, the one with the fewest slices in the whole set; folds with
    equally few of it are drawn from, by `seed`. Then all the patient's positive slices count for that fold. Patients
    without any label have one of their own, `none`, of which each is one: counted by slices, a long study would stand
    for several patients, and the negative slices of the others do not count either.
    Returns (N,) int8. Patients stay whole.
    """
    codes, names = pd.factorize(patients, sort=True)
    shown = np.column_stack([np.bincount(codes, column, len(names)) for column in labels.T]).astype(np.int64)  # (P, L)
    totals = shown.sum(axis=0)
    shown = np.column_stack([shown, ~shown.any(axis=1)])  # (P, L + 1); the last is `none`
    totals = np.append(totals, shown[:, -1].sum())
    rarest = np.where(shown > 0, totals, totals.max() + 1).argmin(axis=1)  # (P,)
    held = np.zeros((count, shown.shape[1]), np.int64)  # what each fold has so far
    draws = np.random.default_rng(seed)
    folds = np.empty(len(names), np.int8)
    for patient, label in enumerate(rarest):
        fewest = np.flatnonzero(held[:, label] == held[:, label].min())
        folds[patient] = fewest[draws.integers(len(fewest))]
        held[folds[patient]] += shown[patient]
    return folds[codes]


def refuse_rows(source: str, fact: str, rows: Iterable[str]) -> None:
    """Raise WrongTable where a table of folds has such rows, with their number and the first of them."""
    if found := list(map(str, rows)):
        raise WrongTable(f"{source}: {len(found)} {fact}; the first are {', '.join(found[:SHOWN])}")


def refuse_empty_folds(positives: np.ndarray, row: str, rows: str, finding: str) -> None:
    """Raise WrongTable where a fold has no positive row. positives: rows of each fold. row, rows, finding: in words."""
    if (positives == 0).any():
        empty = ", ".join(map(str, np.flatnonzero(positives == 0)))
        raise WrongTable(
            f"fold {empty} has no {row} with a {finding}; {positives.sum()} {rows} have one: prepare fewer folds with "
            f"--prepare.fold_count and --force, or add {rows}"
        )
