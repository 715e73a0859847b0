"""Findings of the second system hold the numbers that its stages 43 to 45 have left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from first_level import EXPERIMENT, all_tables, arguments_for
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.study_view import SliceAnswers
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.paths import ENSEMBLE, PREDICTIONS, predictions_folder
from hounsfield.stacking.study_view import open_view

STAGE = Stage(StackingConfig, "", DEFAULT_CONFIG, role="applies")


@pytest.fixture(scope="module")
def view(second_level_work: Path) -> SliceAnswers:
    return open_view(parse(stage_parser(STAGE), STAGE, [str(word) for word in arguments_for(second_level_work)]))


def test_the_second_level_is_as_stage_45_left_it(view: SliceAnswers, second_level_work: Path) -> None:
    table = pd.read_parquet(predictions_folder(second_level_work, EXPERIMENT) / ENSEMBLE).set_index("image_id")
    compared = 0
    for study in view.studies:
        for series in view.findings(study).series:
            images = series.slices["image_id"]
            np.testing.assert_allclose(
                series.models[-1].raw, table.loc[images, list(CLASSES)].to_numpy(), atol=1e-6, rtol=0
            )
            compared += len(images)
    assert compared == len(table)


def test_the_classifiers_are_the_mean_of_the_tables_that_hold_a_slice(
    view: SliceAnswers, second_level_work: Path
) -> None:
    """Slices of too little brain are in no table; they take the least of their kind."""
    tables = [pd.read_parquet(one.output.folder / PREDICTIONS) for one in all_tables(second_level_work)]
    mean = pd.concat(tables).groupby("image_id")[list(CLASSES)].mean()
    first = pd.DataFrame(view.models["classifiers"], view.slices["image_id"], list(CLASSES))
    np.testing.assert_allclose(first.loc[mean.index], mean, atol=1e-6, rtol=0)
    unseen = first.loc[first.index.difference(mean.index)]
    assert len(unseen) > 0
    assert len(unseen.drop_duplicates()) <= 2  # a row of least values of held-out slices, and one of test slices


def test_a_study_is_answered_by_the_rule_and_says_what_leaks(view: SliceAnswers) -> None:
    found = view.findings(view.studies[0])
    assert found.system == "stacking"
    assert [one.label for one in found.answers] == list(CLASSES)
    assert all("second order" in one.how for one in found.answers)
    assert {folder.split("/")[1] for folder in found.runs[0].models} == {"stacking"}
    highest = np.concatenate([one.models[-1].raw for one in found.series]).max(axis=0)
    assert [one.raw for one in found.answers] == pytest.approx(highest.tolist())
