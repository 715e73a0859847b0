"""The rows that are scored: those of the validation folds, predicted by models that have not seen their patients.

M rows held out in cross-validation, C names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.stages.command import ALL


@dataclass(frozen=True)
class HeldOut:
    """The training rows of the folds that are scored; each is predicted by models that do not know its patient."""

    rows: np.ndarray  # (M,) positions in the data set's table, ascending
    folds: np.ndarray  # (M,) int8
    labels: np.ndarray  # (M, C) int8; where some are unknown, or probabilities, float64 with NaN
    patients: np.ndarray  # (M,) identifiers


def held_out_rows(label_set: LabelSet, table: pd.DataFrame, folds: Sequence[str]) -> HeldOut:
    """The rows of `folds`, unlabelled ones among them, which are not scored; none for the fold `all`.

    table: split, fold, patient_id and the names' labels of the data set that the models were trained on.
    """
    fold = table["fold"].to_numpy(np.float64)
    wanted = (table["split"] != "test").to_numpy() & np.isin(fold, [int(name) for name in folds if name != ALL])
    chosen = table[wanted]
    labels = chosen.reindex(columns=list(label_set.names)).to_numpy(np.float64, na_value=np.nan)
    return HeldOut(
        rows=np.flatnonzero(wanted),
        folds=fold[wanted].astype(np.int8),
        labels=known_labels(labels),
        patients=chosen["patient_id"].to_numpy(),
    )


def known_labels(labels: np.ndarray) -> np.ndarray:
    """Labels (M, C) float64 as int8, where all of them are known to be 0 or 1."""
    return labels.astype(np.int8) if np.isin(labels, (0, 1)).all() else labels
