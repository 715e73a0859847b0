"""Folds of studies: our own, which keep patients whole and spread fractures evenly, and the published ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES, OVERALL, VERTEBRAE
from hounsfield.competitions.rsna2022.tables import TEST_FOLD
from hounsfield.core.errors import WrongTable
from hounsfield.core.folds.rules import fold_by_rarest_label, refuse_empty_folds, refuse_rows
from hounsfield.core.intake.label_cells import cells_of
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.logs import logger

STUDY, FOLD = "StudyInstanceUID", "fold"  # columns of the published table
DRAWS = 20


def folds_by_fracture(patients: pd.Series, labels: pd.DataFrame, count: int, seed: int) -> np.ndarray:
    """A fold for each study, (N,) int8, by each patient's rarest fractured vertebra.

    Of the DRAWS between equally good folds, from `seed` on, the first is taken that leaves the fewest folds without a
    name that there is; a fold without any fracture counts for more than all names.
    patients: (N,) what a patient is known by, the same under whatever pseudonym. labels: (N, 8) NAMES, NaN unknown.
    """
    patients, positive = patients.reset_index(drop=True), (labels[[*VERTEBRAE, OVERALL]] > 0.5).to_numpy()
    drawn = [fold_by_rarest_label(patients, positive.astype(np.int8), count, seed + n) for n in range(DRAWS)]
    return min(drawn, key=lambda folds: _lacking(folds, positive, count))


def _lacking(folds: np.ndarray, positive: np.ndarray, count: int) -> tuple[int, int]:
    """How many folds lack any fracture, and how many pairs of fold and name there are without one."""
    held = np.array([positive[folds == fold].any(axis=0) for fold in range(count)])[:, positive.any(axis=0)]
    return int((~held.any(axis=1)).sum()), int((~held).sum())


def read_folds(content: bytes, source: str, labels: pd.DataFrame | None, naming: Naming, count: int) -> pd.Series:
    """The published folds, int8 by study_uid. The table: StudyInstanceUID, fold, and perhaps the labels again.

    labels: as `read_study_labels` gives them. Raises WrongTable where the table is none, names a fold that is not below
    `count`, names a study twice, or contradicts a label.
    """
    table = cells_of(content, source).table
    if not {STUDY, FOLD} <= set(table.columns):
        raise WrongTable(f"{source}: columns {list(table.columns)[:8]}; {STUDY} and {FOLD} are needed")
    table.index = pd.Index([naming.pseudonym(uid) for uid in table[STUDY]], name="study_uid")
    refuse_rows(source, "studies occur twice", table.index[table.index.duplicated()])
    folds = pd.to_numeric(table[FOLD], errors="coerce")
    refuse_rows(source, f"folds are not 0 to {count - 1} (prepare.fold_count)", table.index[~folds.isin(range(count))])
    if labels is not None:
        shared = labels.index.intersection(table.index)
        known = [name for name in NAMES if name in table.columns]
        theirs = table.loc[shared, known].apply(pd.to_numeric, errors="coerce")
        other = (theirs != labels.loc[shared, known]) & theirs.notna() & labels.loc[shared, known].notna()
        refuse_rows(source, "studies have other labels than the label table", shared[other.any(axis=1).to_numpy()])
    return folds.astype(np.int8)


def published_folds(folds: pd.Series, source: str, studies: pd.Series) -> np.ndarray:
    """The fold of each study, (N,) int8, TEST_FOLD where the table has none. Raises WrongTable where it knows none."""
    found = folds.reindex(studies).fillna(TEST_FOLD).to_numpy(np.int8)
    if (found == TEST_FOLD).all():
        raise WrongTable(f"{source}: none of its {len(folds)} studies is there; is it another data set's?")
    return found


def check_folds(folds: np.ndarray, patients: pd.Series, labels: pd.DataFrame, count: int) -> None:
    """Raise WrongTable where a fold has no study with a fracture. folds, patients: (N,); labels: (N, 8)."""
    fractured = np.bincount(folds[(labels[OVERALL] > 0.5).to_numpy()], minlength=count)
    refuse_empty_folds(fractured, "study", "studies", "fracture")
    of_patient = pd.Series(folds).groupby(patients.to_numpy())
    several = int((of_patient.max() > of_patient.min()).sum())
    if several:
        logger.warning("patients in several folds: %d; their scores are of patients seen before", several)
