"""What a system of this competition leaves at its end: submission, findings, and the prior that both fall back on.

N slices of the data set, T of them to be predicted for the submission, M held out in cross-validation; C classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import LABELS, PROBABILITY_CLIP
from hounsfield.competitions.rsna2019.submission import bounded, fill, ids_of, sample_ids, write
from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.metrics import means_by_name
from hounsfield.core.logs import logger


def prior(labels: np.ndarray) -> np.ndarray:
    """Share of slices that show each class, (C,) float64, within the submission's bounds. labels: (N, C)."""
    means = means_by_name(labels.astype(np.float64))
    return bounded(np.where(np.isnan(means), 0.5, means))


def prior_predictions(label_set: LabelSet, slices: pd.DataFrame, held_out: HeldOut) -> np.ndarray:
    """The share of positive slices in the other folds, for every held-out slice of a fold: (M, C)."""
    labelled = slices[slices["split"] == "train"]
    labels, folds = labelled[list(label_set.names)].to_numpy(np.float64, na_value=np.nan), labelled["fold"].to_numpy()
    predictions = np.empty((len(held_out.rows), len(label_set.names)))
    for fold in np.unique(held_out.folds):
        predictions[held_out.folds == fold] = prior(labels[folds != fold])
    return predictions


def training_prior(label_set: LabelSet, slices: pd.DataFrame | None, data_set: str) -> np.ndarray:
    """Share of positive slices in what the models were trained on; 0.5 where its table is not at hand or unlabelled.

    slices: split and the labels of `data_set`; None: the table is not at hand.
    """
    if slices is not None:
        labels = slices.loc[slices["split"] == "train", list(label_set.names)]
        if len(labels):
            return prior(labels.to_numpy(np.float64, na_value=np.nan))
    logger.warning("%s has no labelled slices here; a slice without a prediction takes 0.5", data_set)
    return np.full(len(label_set.names), 0.5)


def write_submission(
    path: Path,
    label_set: LabelSet,
    sample: Path,
    images: pd.Series,
    probabilities: np.ndarray,
    otherwise: np.ndarray,
    *,
    otherwise_is: str = "the training prior of their class",
    clip: float = PROBABILITY_CLIP,
) -> list[str]:
    """Write six rows for each slice that the sample submission asks for; without a sample, for each predicted slice.

    images: (T,); probabilities: (T, C). otherwise: (C,), for slices that were asked for and could not be predicted.
    Returns the names of what is written: nothing for other labels than the competition's, which nobody asks for.
    """
    if label_set != LABELS:
        return []
    ids = sample_ids(sample) if sample.exists() else ids_of(images)
    submission = fill(ids, images, probabilities, otherwise, clip=clip)
    for what, found in (
        (f"slices of the sample submission without a prediction, for which stands {otherwise_is}", submission.filled),
        ("predicted slices that the sample submission lacks, left out", submission.left_out),
    ):
        if found:
            logger.warning("%s; the first: %s", count_of(len(found), what), ", ".join(found[:10]))
    write(path, submission)
    return [path.name]
