"""The benchmark of the second level: what it measures, at sizes that take no time."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmark.second_level import feature_lines, synthetic_studies, training_lines
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.stacking.features import class_features, index_studies
from reference.second_level_features import plain_features


@pytest.mark.parametrize("count", [1, 30, 500])
def test_synthetic_studies_have_the_slices_asked_for_and_are_studies(count) -> None:
    table, predictions = synthetic_studies(count)
    assert (len(table), predictions.shape) == (count, (count, 6))
    index_studies(table, "")


def test_features_are_measured_beside_the_plain_loop_which_makes_the_same() -> None:
    whole, ratio = feature_lines(slices=300, plain_slices=100, repeats=1)
    assert (whole.unit, whole.at_most, ratio.at_least) == ("s", 30, 100)
    assert ratio.ratio == pytest.approx(ratio.measured / ratio.reference)
    assert "one class of 100 slices" in ratio.note
    table, predictions = synthetic_studies(100)
    rows = table.assign(**dict(zip(CLASSES, predictions.T, strict=True))).to_dict("records")
    ours = class_features(predictions, 5, index_studies(table, ""), 9)
    np.testing.assert_array_equal(ours, plain_features(rows, "any"))


def test_training_is_measured_for_each_library_that_is_installed(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "catboost", None)
    lines = training_lines(rows=200, stop_rows=60, rounds=3, threads=1)
    assert [line.what for line in lines] == [
        "second level, lightgbm, 3 rounds of one model",
        "second level, xgboost, 3 rounds of one model",
    ]
    assert all("200 slices to learn from, 60 to stop by, 1 threads" in line.note for line in lines)
