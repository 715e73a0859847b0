"""Calibrators mend what is miscalibrated, keep the order of rows, and are chosen by patients they have not seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.core.evaluation.calibration import Reliability
from hounsfield.core.evaluation.calibrator_fits import choose_method, cross_fitted, fit_calibrator
from hounsfield.core.evaluation.calibrators import METHODS
from hounsfield.core.evaluation.reliability import reliability_of
from reference.isotonic_steps import isotonic_steps
from reference.temperature import best_temperature

ROWS = st.lists(st.tuples(st.floats(0.01, 0.99), st.sampled_from([0.0, 0.4, 1.0])), min_size=2, max_size=30)
MIXED = np.array([0, 1] * 30, float)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_the_temperature_is_that_of_the_plain_reference(rows):
    probabilities, labels = np.array(rows).T
    found = fit_calibrator("temperature", probabilities, labels)
    if found.method == "none":
        return  # labels of one kind

    def loss(temperature):
        p = 1 / (1 + np.exp(-np.log(probabilities / (1 - probabilities)) / temperature))
        p = np.clip(p, 1e-300, 1 - 1e-16)
        return -np.mean(labels * np.log(p) + (1 - labels) * np.log1p(-p))

    assert loss(found.temperature) <= loss(best_temperature(probabilities.tolist(), labels.tolist())) + 1e-6


def test_the_temperature_of_a_model_that_is_right_three_times_of_four_at_nine_to_one_is_two():
    found = fit_calibrator("temperature", np.repeat([0.9, 0.1], 4), np.array([1, 1, 1, 0, 0, 0, 0, 1.0]))

    assert found.temperature == pytest.approx(2.0)


@given(ROWS, st.sampled_from(METHODS))
def test_no_calibrator_turns_two_rows_around_or_leaves_zero_to_one(rows, method):
    probabilities, labels = np.array(rows).T
    asked = np.linspace(0, 1, 101)

    found = fit_calibrator(method, probabilities, labels).apply(asked)

    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0 and found.max() <= 1


def test_labels_told_apart_without_an_error_give_a_bounded_temperature():
    found = fit_calibrator("temperature", np.array([0.3, 0.4, 0.6, 0.7]), np.array([0, 0, 1, 1.0]))

    assert found.temperature == pytest.approx(0.1, rel=1e-3)


TIED = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.6, 0.9]), st.sampled_from([0.0, 0.4, 1.0])), min_size=2, max_size=14
)


@settings(deadline=None)
@given(TIED)
def test_an_isotonic_map_is_that_of_the_plain_reference_with_ties_and_soft_labels(rows):
    probabilities, labels = np.array(rows).T
    found = fit_calibrator("isotonic", probabilities, labels)
    if found.method == "none":
        return  # labels of one kind

    expected = isotonic_steps(probabilities.tolist(), labels.tolist())
    np.testing.assert_allclose(found.apply(probabilities), expected, atol=1e-12)


def test_an_isotonic_map_is_no_surer_than_its_rows_allow():
    # by hand: two negatives, then a mixed pair, then two positives, of six rows: never nearer to 0 or 1 than 1 / 8
    found = fit_calibrator("isotonic", np.array([0.1, 0.2, 0.4, 0.5, 0.7, 0.9]), np.array([0, 0, 1, 0, 1, 1.0]))

    np.testing.assert_allclose(found.apply(np.array([0.0, 0.2, 0.3, 0.45, 1.0])), [1 / 8, 1 / 8, 5 / 16, 1 / 2, 7 / 8])


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_one_half_and_labels_of_one_kind_can_be_fitted(method):
    half = np.full(60, 0.5)

    np.testing.assert_allclose(fit_calibrator(method, half, MIXED).apply(half), 0.5)
    np.testing.assert_array_equal(fit_calibrator(method, half, np.zeros(60)).apply(half), half)


def test_each_row_is_calibrated_by_what_has_not_seen_its_group():
    probabilities, groups = np.linspace(0.1, 0.9, 60), np.repeat([0, 1, 2], 20)

    found = cross_fitted("isotonic", probabilities, MIXED, groups)

    for group in range(3):
        own, others = groups == group, groups != group
        fitted = fit_calibrator("isotonic", probabilities[others], MIXED[others])
        np.testing.assert_array_equal(found[own], fitted.apply(probabilities[own]))


def test_a_single_group_has_no_others_and_stays_as_it_is():
    found = cross_fitted("temperature", np.array([0.9, 0.2]), np.array([0.0, 1.0]), np.zeros(2))

    np.testing.assert_array_equal(found, [0.9, 0.2])


def chosen(probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> str:
    nested = {one: reliability_of(cross_fitted(one, probabilities, labels, groups), labels) for one in METHODS}
    return choose_method(nested["none"], nested)


def test_a_model_that_is_too_sure_is_given_a_temperature_and_a_bent_one_an_isotonic_map():
    draws = np.random.default_rng(3)
    logits, groups = draws.normal(0, 1.5, 4000), draws.integers(0, 5, 4000)
    labels = (draws.random(4000) < 1 / (1 + np.exp(-logits))).astype(float)
    too_sure, bent = 1 / (1 + np.exp(-3 * logits)), 1 / (1 + np.exp(-logits)) ** 4

    assert chosen(too_sure, labels, groups) == "temperature"
    assert fit_calibrator("temperature", too_sure, labels).temperature == pytest.approx(3, abs=0.3)
    assert chosen(bent, labels, groups) == "isotonic"


def test_a_lower_calibration_error_is_not_bought_with_a_higher_log_loss():
    raw, certain, worse = (Reliability(*one) for one in (
        (0.10, None, None, 0.1, 0.30), (0.05, None, None, 0.1, 0.31), (0.11, None, None, 0.1, 0.20),
    ))  # fmt: skip

    assert choose_method(raw, {"none": raw, "temperature": worse, "isotonic": certain}) == "none"
