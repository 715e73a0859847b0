"""What a competition asks for, as evaluation sees it: names, what a row is, and the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class LabelSet:
    """The labels of one competition. N rows, C names.

    Where a row has one score and no labels (a Dice), `names` is empty, `labels` is (N, 0), and `loss` turns what stands
    for the probabilities, (N, 1), into one value a row; lower is better.
    """

    names: tuple[str, ...]  # column order of every array
    row: str  # what one row is, as its column of identifiers is called: "image_id" or "study_uid"
    loss: Callable[[Array, Array], Array]  # probabilities, labels (N, C) -> (N,): what the competition averages
