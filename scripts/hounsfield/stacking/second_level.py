"""What the second level learns from: the studies' slices, their first level's predictions, and which folds train, stop
and are predicted. Stage 44.

Early stopping needs slices that the model does not learn from. `nested` takes the next of the training folds: the
scored fold stays unseen. `scored_fold` takes the scored fold itself, as published: its out-of-fold scores are
optimistic. In both, as in all stacking, the classifiers behind the features that are learnt from have seen the scored
fold's labels.
N slices, C classes, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table
from hounsfield.core.logs import logger
from hounsfield.stacking.boosters import not_installed
from hounsfield.stacking.config import Booster, SecondLevelConfig, Stopping
from hounsfield.stacking.features import COLUMNS, LAST_CLASS, Studies, class_features, index_studies

NESTED: Stopping = "nested"
SCORED_FOLD: Stopping = "scored_fold"
SLICE_COLUMNS = ("image_id", "split", "fold", "patient_id", "hu_crc32", *COLUMNS)  # of the stacking slices, and labels

# in place of a fold's number: a test slice; a slice of a fold that is left out; and one without brain that is in no
# fold, as published: all models learn from it, and none is scored on it
TEST_FOLD, NO_FOLD, EVERY_FOLD = -1, -2, -3


class SecondLevelData(NamedTuple):
    """What all models learn from and predict: all slices, study by study in their order."""

    label_set: LabelSet
    images: np.ndarray  # (N,) image_id
    patients: np.ndarray  # (N,) pseudonyms
    rows: np.ndarray  # (N,) where they stand in the stacking slices
    folds: np.ndarray  # (N,) int8; TEST_FOLD, NO_FOLD, EVERY_FOLD
    labels: np.ndarray  # (N, C) int8; 0 where there is none, of probabilities 1 above 0.5
    known: np.ndarray  # (N, C) bool, of labels to learn from
    predictions: np.ndarray  # (N, C) float64, the first level's
    studies: Studies

    @property
    def predicted(self) -> np.ndarray:
        """Which slices have a place in the table of predictions, (N,) bool."""
        return self.folds >= TEST_FOLD


class Split(NamedTuple):
    """The parts of the data for one fold's models."""

    train: np.ndarray  # (N,) bool
    early_stop: np.ndarray  # (N,) bool
    train_folds: list[int]
    stop_fold: int


def installed_boosters(wanted: Sequence[Booster], *, skip_missing: bool) -> list[Booster]:
    """Those of the wanted libraries that can be used.

    Raises MissingInput, naming the others and the remedy, unless they are to be skipped and some are left.
    """
    missing = not_installed(wanted)
    left = [booster for booster in dict.fromkeys(wanted) if booster not in missing]
    if missing and not (skip_missing and left):
        facts = "\n".join(f"  {fact}" for fact in missing.values())
        raise MissingInput(f"libraries of the second level are missing:\n{facts}\nor go on without: --skip-missing")
    for fact in missing.values():
        logger.warning("%s; going on without it", fact)
    return left


def arrange(
    label_set: LabelSet, slices: pd.DataFrame, predictions: np.ndarray, folds: Sequence[int], source: str
) -> SecondLevelData:
    """Check and arrange what is learnt from.

    slices: SLICE_COLUMNS and the labels of the stacking slices, of which `source` is the file; predictions: (N, C).
    A study of which some slices have labels stands in two places of that table; here it is in one piece.
    Raises BadInput naming the file when a label is missing, or when its studies are not what they should be.
    """
    along = np.lexsort((slices["order"], slices["series"]))
    slices = slices.iloc[along]
    is_test = (slices["split"] == "test").to_numpy()
    fold = slices["fold"].to_numpy(np.float64)
    labels = slices[list(label_set.names)].to_numpy(np.float64)
    train = (slices["split"] == "train").to_numpy()
    no_fold = np.isnan(fold) & slices["hu_crc32"].isna().to_numpy() & train  # it shows no brain
    unlabelled = train & ~(np.isfinite(labels).any(axis=1) & (np.isfinite(fold) | no_fold))
    if unlabelled.any():
        first = slices["image_id"].iloc[int(unlabelled.argmax())]
        raise BadInput(f"{source}: {unlabelled.sum()} training slices lack a label or the fold; the first is {first}")
    return SecondLevelData(
        label_set=label_set,
        images=slices["image_id"].to_numpy(),
        patients=slices["patient_id"].to_numpy(),
        rows=along,
        folds=np.select([is_test, no_fold, np.isin(fold, list(folds))], [TEST_FOLD, EVERY_FOLD, fold], NO_FOLD).astype(
            np.int8
        ),
        labels=(train[:, np.newaxis] & (labels > 0.5)).astype(np.int8),
        known=train[:, np.newaxis] & np.isfinite(labels),
        predictions=predictions[along],
        studies=index_studies(slices, source),
    )


def split_folds(folds: Sequence[int], fold: int, stopping: Stopping) -> tuple[list[int], int]:
    """The folds to learn from and the one to stop by, when `fold` is scored. Folds hold whole patients.

    Raises WrongUse when there are too few: two for `scored_fold`, three for `nested`.
    """
    ordered = sorted(folds)
    least = 3 if stopping == NESTED else 2
    if len(ordered) < least:
        raise WrongUse(f"early stopping {stopping} needs {least} folds, and there are {len(ordered)}: {ordered}")
    stop = fold if stopping == SCORED_FOLD else ordered[(ordered.index(fold) + 1) % len(ordered)]
    return [other for other in ordered if other not in (fold, stop)], stop


def split_data(data: SecondLevelData, folds: Sequence[int], fold: int, stopping: Stopping) -> Split:
    """Which slices the models of one fold learn from and stop by."""
    train_folds, stop_fold = split_folds(folds, fold, stopping)
    return Split(np.isin(data.folds, [*train_folds, EVERY_FOLD]), data.folds == stop_fold, train_folds, stop_fold)


def features_of(data: SecondLevelData, c: int, config: SecondLevelConfig) -> np.ndarray:
    """The features of class `c` as the configuration wants them, (N, F)."""
    names = data.label_set.names
    mean_of = None
    if config.study_mean == "last_class":  # of the published code's order; of other classes, the last
        mean_of = names.index(LAST_CLASS) if LAST_CLASS in names else len(names) - 1
    return class_features(
        data.predictions,
        c,
        data.studies,
        config.neighbours,
        before_first=config.before_first,
        mean_of=mean_of,
    )


def prediction_frame(data: SecondLevelData, probabilities: np.ndarray) -> pd.DataFrame:
    """Probabilities (N, C) as a table of predictions, in the order of the stacking slices."""
    split = np.where(data.folds == TEST_FOLD, TEST, OUT_OF_FOLD)
    frame = prediction_table(data.label_set, data.images, split, probabilities)
    in_order = np.argsort(data.rows)
    return frame.iloc[in_order[data.predicted[in_order]]]
