"""What a data set asks for, as evaluation sees it: names, what a row is, and the loss. A competition has stated one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.metrics import WeightedLogLoss

Array = np.ndarray


@dataclass(frozen=True)
class LabelSet:
    """The labels of one data set or competition. N rows, C names.

    Where a row has one score and no labels (a Dice), `names` is empty, `labels` is (N, 0), and `loss` turns what stands
    for the probabilities, (N, 1), into one value a row; lower is better.
    """

    names: tuple[str, ...]  # column order of every array
    row: str  # what one row is, as its column of identifiers is called: "image_id" or "study_uid"
    loss: Callable[[Array, Array], Array]  # probabilities, labels (N, C) -> (N,): what the competition averages
    any_of: str | None = None  # the name that means "any of the others", if one does
    given_for: str = "row"  # "row"; or "series" or "study" of several rows, each of which bears the label of the whole
    soft: bool = False  # labels may be probabilities

    @property
    def weights(self) -> tuple[float, ...]:
        """What each name counts, (C,). Raises WrongUse where the loss has no one weight a name."""
        if not isinstance(self.loss, WeightedLogLoss) or self.loss.positive != self.loss.negative:
            raise WrongUse("the loss of this label set has no one weight for each name")
        return self.loss.negative


def weighted_labels(names: tuple[str, ...], row: str, weights: tuple[float, ...], clip: float, **more: Any) -> LabelSet:
    """A label set whose loss is the log loss, averaged over the names with `weights`. more: LabelSet's other fields."""
    return LabelSet(names, row, WeightedLogLoss(weights, weights, clip), **more)


def label_settings(label_set: LabelSet) -> dict[str, Any]:
    """A label set of `weighted_labels` as plain JSON values, for records; `labels_from` reads them back."""
    return {
        "names": list(label_set.names),
        "weights": list(label_set.weights),
        "any_of": label_set.any_of,
        "given_for": label_set.given_for,
        "soft": label_set.soft,
    }


def labels_from(settings: Mapping[str, Any], row: str, clip: float) -> LabelSet:
    """The label set that `label_settings` wrote."""
    more = {name: settings[name] for name in ("any_of", "given_for", "soft")}
    return weighted_labels(tuple(settings["names"]), row, tuple(map(float, settings["weights"])), clip, **more)
