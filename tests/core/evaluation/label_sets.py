"""Made-up label sets, of no competition: slices, studies whose loss counts what is there twice, and another loss."""

from __future__ import annotations

import numpy as np

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.metrics import WeightedLogLoss


def squared_error(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.square(probabilities - labels).mean(axis=1)


def one_minus_dice(dice: np.ndarray, _: np.ndarray) -> np.ndarray:
    return 1 - dice[:, 0]


SLICE_WEIGHTS = (1.0, 1.0, 2.0)
SLICES = LabelSet(("left", "right", "any"), "image_id", WeightedLogLoss(SLICE_WEIGHTS, SLICE_WEIGHTS, 1e-5))
STUDIES = LabelSet(("fracture", "overall"), "study_uid", WeightedLogLoss((1.0, 7.0), (2.0, 14.0), 1e-6))
SQUARED = LabelSet(("fracture", "overall"), "study_uid", squared_error)
DICE = LabelSet((), "image_id", one_minus_dice)
