"""Calibration error, slope and intercept say what probabilities are worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.evaluation.reliability import (
    calibration_line,
    equal_mass_bins,
    expected_calibration_error,
    reliability_of,
)
from reference.calibration_error import calibration_error

ROWS = st.lists(
    st.tuples(st.sampled_from(np.linspace(0, 1, 21).tolist()), st.sampled_from([0.0, 0.3, 1.0])),
    min_size=1,
    max_size=60,
)


@given(ROWS, st.integers(1, 12))
def test_calibration_error_is_that_of_the_plain_reference_with_ties_and_soft_labels(rows, bins):
    probabilities, labels = np.array(rows).T

    found = expected_calibration_error(probabilities, labels, bins)

    assert found == pytest.approx(calibration_error(probabilities.tolist(), labels.tolist(), bins))


def test_bins_hold_equally_many_rows_where_nothing_ties():
    found = np.bincount(equal_mass_bins(np.random.default_rng(0).permutation(100) / 100))

    np.testing.assert_array_equal(found, [10] * 10)


def test_a_constant_prediction_has_one_bin_and_no_line():
    found = reliability_of(np.full(8, 0.25), np.array([1, 1, 1, 1, 0, 0, 0, 0.0]))

    assert found.ece == pytest.approx(0.25)
    assert (found.slope, found.intercept) == (None, None)
    assert found.brier == pytest.approx((0.75**2 + 0.25**2) / 2)


def test_the_log_loss_of_a_certain_mistake_is_bounded_as_in_the_table_of_scores():
    found = reliability_of(np.array([1.0, 0.25, 0.0]), np.array([0, 1, 0.0]))

    assert found.log_loss == pytest.approx((-np.log(1e-5) - np.log(0.25)) / 3, abs=1e-4)


def drawn(logits: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    chance = 1 / (1 + np.exp(-slope * logits - intercept))
    return (np.random.default_rng(1).random(len(logits)) < chance).astype(float)


def test_the_line_tells_how_labels_were_drawn():
    logits = np.random.default_rng(0).normal(0, 2, 40_000)

    slope, intercept = calibration_line(1 / (1 + np.exp(-logits)), drawn(logits, 0.5, -1.0))

    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(-1.0, abs=0.05)


def test_soft_labels_that_are_the_probabilities_lie_on_the_perfect_line():
    probabilities = np.linspace(0.05, 0.95, 40)

    assert calibration_line(probabilities, probabilities) == pytest.approx((1.0, 0.0), abs=1e-4)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
def test_labels_that_a_threshold_tells_apart_have_no_finite_line(labels):
    assert calibration_line(np.array([0.1, 0.2, 0.3, 0.4]), np.array(labels, float)) == (None, None)
