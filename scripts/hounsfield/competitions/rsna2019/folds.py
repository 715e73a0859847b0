"""Folds of slices, patients whole: the 2nd place's, those of one's own labels, and the 11th place's.

The rules themselves are in core/folds; here is which of them is used, on what. N slices.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.folds.own_data import fold_table, folds_of_own_data
from hounsfield.core.folds.rules import fold_by_first_row, fold_by_rarest_label
from hounsfield.core.logs import logger


def published_folds(slices: pd.DataFrame, labelled: pd.Index, count: int) -> np.ndarray:
    """The folds of the 2nd place, (N,) int8: by the row of a patient's first slice among all labels, sorted by image.

    slices: image_id and patient_id of labelled slices. labelled: the identifiers of all labelled images.
    """
    rows = labelled.sort_values().get_indexer(pd.Index(slices["image_id"]))
    return fold_by_first_row(slices["patient_id"], rows, count)


def folds_of_own_labels(
    slices: pd.DataFrame, known_by: pd.Series, label_set: LabelSet, count: int, source: str
) -> np.ndarray:
    """The fold of each slice of a patient with labels, (N,) float64; NaN for the others and for test slices.

    slices: split, patient_id and the labels. known_by: (N,) what a patient is known by under any pseudonyms. source:
    the table of labels, for messages. Raises BadInput where the folds cannot work.
    """
    train, names = slices["split"] == "train", list(label_set.names)
    labels = slices.loc[train, names]
    folds = folds_of_own_data(known_by[train], labels, count, source=source, option="--prepare.fold_count")
    table = fold_table(folds, known_by[train].reset_index(drop=True), labels.reset_index(drop=True))
    logger.info("folds (positive slices by class):\n%s", table)
    of_patient = pd.Series(folds, slices.loc[train, "patient_id"]).groupby(level=0).first()
    tested = slices.loc[slices["split"] == "test", "patient_id"]
    if both := len(set(tested) & set(of_patient.index)):
        logger.warning("patients both in training and in the test set: %d; it is no test of strangers", both)
    return slices["patient_id"].map(of_patient).where(slices["split"] != "test").to_numpy(np.float64)


def folds_of_slices_with_brain(
    slices: pd.DataFrame, seen: np.ndarray, label_set: LabelSet, count: int, seed: int, *, without_brain: bool
) -> np.ndarray:
    """The folds of the 11th place: of labelled slices and their patients' others, (N,) float32; NaN for test slices.

    As published, what is balanced is the labels of the slices that the networks see. All slices of a patient are in
    its fold, and a patient who shows no brain on any slice is one without labels; or, as published, slices that show
    no brain are in no fold, nor is such a patient.
    slices: split, patient_id, series and the labels. seen: (N,) bool, the slices that show brain. without_brain: the
    others have a fold, too.
    """
    placed = (slices["split"] == "train").to_numpy()
    if not without_brain:
        placed = placed & seen
    labels = slices.loc[placed, list(label_set.names)].to_numpy(np.float32, na_value=0) > 0.5
    labels = (labels & seen[placed, None]).astype(np.int8)
    folds = np.full(len(slices), np.nan, np.float32)
    # series are numbered patient by patient, in an order that no pseudonym of one's own data changes
    patients = slices.groupby("patient_id")["series"].transform("min")
    folds[placed] = fold_by_rarest_label(patients[placed], labels, count, seed)
    beside = (slices["split"] == "unlabelled").to_numpy() & (seen | without_brain)
    of_patient = pd.Series(folds[placed], patients[placed]).groupby(level=0).first()
    folds[beside] = patients[beside].map(of_patient).to_numpy(np.float32)
    return folds
