"""Scores of a data set of one's own, with intervals or with the reason why there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from label_sets import DICE, STUDIES

from hounsfield.core.evaluation.external import FEWEST, external_scores, without_interval
from hounsfield.core.evaluation.score_table import System, readable


def scores_of(patients: int, labels: np.ndarray | None = None) -> pd.DataFrame:
    given = np.arange(patients)[:, None] % 2 * np.ones(2) if labels is None else labels
    prior, bag = (System(name, "", np.full(given.shape, 0.5), "all", over=over) for name, over in NAMED)
    return external_scores(STUDIES, [prior, bag], given, np.arange(patients).astype(str), "ward", "study_loss")


NAMED = (("prior", None), ("bag", 0))


def test_enough_patients_of_both_kinds_have_an_interval() -> None:
    table = scores_of(FEWEST)
    assert without_interval(table) == "" and table[["low", "high"]].notna().all(axis=None)
    assert "95 % interval" in readable(table) and "better than" in readable(table)


def test_masks_which_have_no_classes_have_an_interval_from_as_many_patients_on() -> None:
    for patients in (FEWEST, FEWEST - 1):
        dice, people = np.linspace(0, 1, patients)[:, np.newaxis], np.arange(patients).astype(str)
        table = external_scores(
            DICE, [System("rule", "", dice, "all")], np.empty((patients, 0)), people, "ward", "one_minus_dice"
        )
        assert (without_interval(table) == "") == (patients == FEWEST)


@pytest.mark.parametrize(
    ("patients", "labels", "why"),
    [
        (FEWEST - 1, None, f"{FEWEST} patients are needed; scored: {FEWEST - 1}."),
        (2 * FEWEST, np.ones((2 * FEWEST, 2)), "no class has positive and negative labels"),
        (2 * FEWEST, np.tile([0.0, 1.0], (2 * FEWEST, 1)), "no class has positive and negative labels"),
    ],
)
def test_a_handful_of_patients_or_one_kind_of_label_has_figures_but_no_interval_and_no_verdict(
    patients: int, labels: np.ndarray | None, why: str
) -> None:
    table = scores_of(patients, labels)
    assert why in without_interval(table)
    assert table["study_loss"].notna().all()
    assert table[["low", "high", "gain_low", "gain_high"]].isna().all(axis=None)
    said = readable(table)
    assert "interval" not in said and "better" not in said and f"{table['study_loss'].iloc[1]:.4f}" in said
