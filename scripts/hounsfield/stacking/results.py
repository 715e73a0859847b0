"""All that one experiment predicts, read and averaged: what stage 45 scores and submits.

N slices in the order of the stacking slices, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.core.evaluation.held_out import HeldOut, held_out_rows
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, prediction_table
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream
from hounsfield.stacking.ensemble import CnnTable, FirstLevel, first_level_ledger, read_first_level
from hounsfield.stacking.second_level import NESTED, SCORED_FOLD
from hounsfield.stacking.second_level_tables import BoosterTable, SecondLevel, read_second_level
from hounsfield.stacking.tables import read_stacking_slices

SLICE_COLUMNS = ("image_id", "split", "fold", "patient_id", "hu_crc32")  # of the stacking slices, and the labels
OF_TEST = "test"  # the part of the ensemble's ledger that predicts the test slices


class Results(NamedTuple):
    """Both levels' predictions, and whom what made them has seen."""

    label_set: LabelSet
    slices: pd.DataFrame  # N rows with SLICE_COLUMNS and the labels
    held_out: HeldOut
    first_level: FirstLevel
    first_ledgers: dict[str, Ledger]  # by network, a part per fold
    second_level: SecondLevel

    @property
    def is_test(self) -> np.ndarray:
        """Which slices are test slices, (N,) bool."""
        return (self.slices["split"] == "test").to_numpy()

    @property
    def test_images(self) -> pd.Series:
        """The identifiers of the test slices, (T,)."""
        return self.slices["image_id"][self.is_test]

    @property
    def test_probabilities(self) -> np.ndarray:
        """What is submitted, (T, C): by models that stopped by the scored fold, as published."""
        return self.second_level.mean(SCORED_FOLD)[self.is_test]


def read_results(
    data: Upstream, tables: Sequence[CnnTable], runs: Sequence[BoosterTable], folds: Sequence[int]
) -> Results:
    """Read the slices and all tables. Raises BadInput where one does not hold the slices that it should."""
    label_set = label_set_of(data)
    slices = read_stacking_slices(data, (*SLICE_COLUMNS, *label_set.names))
    held_out = held_out_rows(label_set, slices, list(map(str, folds)))
    networks = dict.fromkeys(table.network for table in tables)
    ledgers = {name: first_level_ledger([table for table in tables if table.network == name]) for name in networks}
    first_level = read_first_level(label_set, tables, slices)
    second_level = read_second_level(label_set, runs, slices, held_out)
    return Results(label_set, slices, held_out, first_level, ledgers, second_level)


def ensemble_frame(results: Results) -> pd.DataFrame:
    """The system's predictions: nested for the slices that are held out, as they are submitted for test slices."""
    is_test = results.is_test
    nested, scored_fold = (results.second_level.mean(stopping) for stopping in (NESTED, SCORED_FOLD))
    probabilities = np.where(is_test[:, np.newaxis], scored_fold, nested)
    split = np.where(is_test, TEST, OUT_OF_FOLD)
    frame = prediction_table(results.label_set, results.slices["image_id"].to_numpy(), split, probabilities)
    return frame.iloc[np.union1d(np.flatnonzero(is_test), results.held_out.rows)]


def ensemble_ledger(results: Results) -> Ledger:
    """Whom the models have seen that predict each fold's slices; and, as a part of their own, the test slices."""
    nested, scored_fold = (results.second_level.ledger(stopping) for stopping in (NESTED, SCORED_FOLD))
    return Ledger.joined([nested, scored_fold.as_part(OF_TEST)])
