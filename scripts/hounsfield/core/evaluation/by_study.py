"""Scores of slices that bear the label of their study or series: what was labelled is what is scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.score_table import System
from hounsfield.core.stages.ledger import STUDY_LABELS_ON_SLICES

UNITS = {"study": "study_uid", "series": "series_uid"}  # the column of slices, by what the labels were given for


class Scored(NamedTuple):
    """What a score table is made from."""

    label_set: LabelSet
    systems: Iterable[System]
    labels: np.ndarray
    patients: np.ndarray


def as_labelled(
    label_set: LabelSet, systems: Iterable[System], labels: np.ndarray, patients: np.ndarray, slices: pd.DataFrame
) -> Scored:
    """One row per study or series where the labels were given for it, by the maximum over its slices; else as it is.

    labels: (M, C); patients: (M,); slices: M rows with study_uid and series_uid.
    """
    if label_set.given_for == "row" or not len(labels):
        return Scored(label_set, systems, labels, patients)
    unit = UNITS[label_set.given_for]
    codes, first, known = labels_by_unit(slices[unit].to_numpy(), labels)
    return Scored(replace(label_set, row=unit), _pooled(systems, codes, first), known, patients[first])


def labels_by_unit(units: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The highest known label of each study or series, in sorted order of the K `units`.

    units: (M,) identifiers; labels: (M, C), NaN where unknown. Returns the unit's number for each slice (M,), the first
    slice of each unit (K,), and the labels (K, C).
    """
    codes, distinct = pd.factorize(units, sort=True)
    first = np.unique(codes, return_index=True)[1]
    highest = _highest(np.where(np.isnan(labels), -1.0, labels.astype(np.float64)), codes, len(distinct))
    return codes, first, np.where(highest < 0, np.nan, highest)


def _pooled(systems: Iterable[System], codes: np.ndarray, first: np.ndarray) -> Iterator[System]:
    for system in systems:
        seen = np.broadcast_to(system.seen, codes.shape)[first]
        models = f"{system.models}; {STUDY_LABELS_ON_SLICES}, the maximum over a study's slices is scored"
        yield replace(system, probabilities=_highest(system.probabilities, codes, len(first)), seen=seen, models=models)


def _highest(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """(M, C) -> (count, C), the maximum over the rows of each code."""
    found = np.full((count, values.shape[1]), -np.inf)
    np.maximum.at(found, codes, values)
    return found
