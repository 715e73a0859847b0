"""What the second level learns from: of each slice its own predictions, and those of one class along its study.

A study is one series of `slices.parquet` (in this competition every study has one). Here its rows stand together, and
`order` counts them 0, 1, ... along the slice normal. N slices, C classes, S studies, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput
from hounsfield.stacking.config import BeforeFirst

LAST_CLASS = "intraparenchymal"  # in the order of the published code
COLUMNS = ("series", "order", "slices_in_study", "position_ord", "brain_ratio")  # of the stacking slices


class Studies(NamedTuple):
    """What the features of all classes share."""

    starts: np.ndarray  # (S,) first row of each study
    lengths: np.ndarray  # (S,) its slices
    numbers: np.ndarray  # (N,) which study a row is of: 0, 1, ...
    slices_in_study: np.ndarray  # (N,) float32
    position_ord: np.ndarray  # (N,) float32, (order + 1) / slices
    brain_ratio: np.ndarray  # (N,) float32


def index_studies(slices: pd.DataFrame, source: str) -> Studies:
    """Find the studies in a table with the columns COLUMNS; `source` names it in messages.

    Raises BadInput when a study's rows do not stand together in order, or when a number is missing.
    """
    series, order = slices["series"].to_numpy(), slices["order"].to_numpy()
    starts = np.flatnonzero(np.diff(series, prepend=series[:1] - 1)) if len(series) else np.zeros(0, np.int64)
    lengths = np.diff(starts, append=len(series))
    numbers = np.repeat(np.arange(len(starts)), lengths)
    whole = len(np.unique(series)) == len(starts)
    if not whole or not np.array_equal(order, np.arange(len(series)) - starts[numbers]):
        raise BadInput(f"{source}: the slices of a series do not stand together in their order; make it again")
    if not np.array_equal(slices["slices_in_study"].to_numpy(), lengths[numbers]):
        raise BadInput(f"{source}: slices_in_study is not the number of slices in the series; make it again")
    values = slices[["position_ord", "brain_ratio"]].to_numpy(np.float32)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values).all(axis=1)).sum())
        raise BadInput(f"{source}: {bad} slices have no position_ord or brain_ratio; make it again")
    return Studies(starts, lengths, numbers, lengths[numbers].astype(np.float32), *values.T.copy())


def feature_names(neighbours: int, classes: Sequence[str]) -> list[str]:
    """Names of the columns of `class_features`, (F,): 28 with nine neighbours and six classes."""
    before = [f"before_{distance}" for distance in range(neighbours, 0, -1)]
    after = [f"after_{distance}" for distance in range(1, neighbours + 1)]
    return [*before, *after, *classes, "slices_in_study", "position_ord", "study_mean", "brain_ratio"]


def class_features(
    predictions: np.ndarray,
    c: int,
    studies: Studies,
    neighbours: int,
    *,
    before_first: BeforeFirst = "missing",
    mean_of: int | None = None,
) -> np.ndarray:
    """The features of class number `c` for all slices, (N, F) float32 in the order of `feature_names`.

    predictions: (N, C) probabilities by the first level; rows in the order of `studies`. Beyond the ends of a study a
    neighbour is NaN; `wrapped` takes those before its first slice from its end, as the published code does by a slip.
    The study's mean is that of class `c`, or of number `mean_of`: by another slip the published code takes that of its
    last class for all.
    Only this class's table is built: all at once would be half a gigabyte.
    """
    own = predictions[:, c].astype(np.float32)
    table = np.empty((len(own), 2 * neighbours + predictions.shape[1] + 4), np.float32)
    padded = np.full(max(1, len(own)) + 2 * neighbours, np.nan, np.float32)
    padded[neighbours : len(own) + neighbours] = own
    # each slice with the rows around it, of whichever study; those of another one are cleared below
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * neighbours + 1)[: len(own)]
    table[:, :neighbours] = windows[:, :neighbours]
    table[:, neighbours : 2 * neighbours] = windows[:, neighbours + 1 :]
    for distance in range(1, neighbours + 1):  # the slice that is so many from before the first, and after the last
        reached = studies.lengths >= distance
        starts, ends = studies.starts[reached], (studies.starts + studies.lengths)[reached]
        table[starts + distance - 1, : neighbours - distance + 1] = np.nan
        table[ends - distance, neighbours + distance - 1 : 2 * neighbours] = np.nan
    if before_first == "wrapped":
        _wrap(table, own, studies, neighbours)
    rest = table[:, 2 * neighbours :]
    rest[:, : predictions.shape[1]] = predictions
    averaged = predictions[:, c if mean_of is None else mean_of]
    means = np.bincount(studies.numbers, averaged, len(studies.starts)) / studies.lengths
    rest[:, predictions.shape[1] :] = np.column_stack(
        (studies.slices_in_study, studies.position_ord, means[studies.numbers], studies.brain_ratio)
    )
    return table


def _wrap(table: np.ndarray, own: np.ndarray, studies: Studies, neighbours: int) -> None:
    """Put the study's last slices before its first; what is before those too, in a short study, stays NaN.

    table: (N, F), filled in place. own: (N,) the class's predictions.
    """
    for place in range(neighbours):  # of the slice in its study
        for distance in range(place + 1, neighbours + 1):  # how far before it
            reached = studies.lengths >= max(place + 1, distance - place)
            starts, ends = studies.starts[reached], (studies.starts + studies.lengths)[reached]
            table[starts + place, neighbours - distance] = own[ends + place - distance]
