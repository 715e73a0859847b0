from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hounsfield.core.evaluation.metrics import (
    WeightedLogLoss,
    auc_bootstrap,
    auc_by_class,
    interval,
    log_loss,
    patient_bootstrap,
)
from reference.log_loss import area_under_roc, competition_log_loss

WEIGHTS = (1.0, 1.0, 2.0)
PROBABILITIES = hnp.arrays(np.float64, (5, 3), elements=st.floats(0, 1))
LABELS = hnp.arrays(np.int8, (5, 3), elements=st.integers(0, 1))


@given(PROBABILITIES, LABELS)
def test_weighted_log_loss_matches_the_plain_reference(probabilities, labels):
    found = WeightedLogLoss(WEIGHTS, WEIGHTS, 1e-5)(probabilities, labels)
    assert found.shape == (5,)
    assert found.mean() == pytest.approx(competition_log_loss(probabilities, labels, list(WEIGHTS), 1e-5))


def test_a_name_may_count_more_where_its_label_is_one():
    # by hand: ln 2 counts 7 where the label is 0, and 2 ln 2 counts 4 where it is 1: (7 + 2 * 4) / 11 ln 2
    loss = WeightedLogLoss((7.0, 2.0), (14.0, 4.0), 1e-5)
    assert loss(np.array([[0.5, 0.25]]), np.array([[0, 1]])) == pytest.approx([15 / 11 * np.log(2)])


@given(PROBABILITIES, LABELS, st.permutations(range(5)))
def test_log_loss_belongs_to_its_slice_whatever_the_order(probabilities, labels, order):
    whole = log_loss(probabilities, labels, clip=1e-5)
    assert np.array_equal(log_loss(probabilities[order], labels[order], clip=1e-5), whole[order])


def test_log_loss_of_a_certain_mistake_is_bounded_by_the_clip():
    found = log_loss(np.array([[0.0, 1.0]], np.float32), np.array([[1, 0]]), clip=1e-5)
    assert found == pytest.approx(np.array([[-np.log(1e-5)] * 2]))


def test_log_loss_of_half_is_the_logarithm_of_two():
    assert log_loss(np.full((2, 2), 0.5), np.eye(2), clip=1e-5) == pytest.approx(np.full((2, 2), np.log(2)))


@given(PROBABILITIES, LABELS)
def test_auc_matches_the_plain_reference_and_is_nan_for_one_label_only(probabilities, labels):
    for c, area in enumerate(auc_by_class(probabilities, labels)):
        if labels[:, c].min() == labels[:, c].max():
            assert np.isnan(area)
        else:
            assert area == pytest.approx(area_under_roc(probabilities[:, c], labels[:, c]))


def test_bootstrap_draws_whole_patients():
    # patient 0 has three slices of 1, patient 1 one slice of 0: only whole patients give these means
    draws = patient_bootstrap(np.array([1.0, 1, 1, 0]), np.array([0, 0, 0, 1]), draws=400, seed=1)
    assert set(np.round(draws, 6)) == {0.0, 0.75, 1.0}
    assert np.mean(draws == 0.75) == pytest.approx(0.5, abs=0.1)


def test_bootstrap_with_the_same_seed_draws_the_same_patients():
    generator = np.random.default_rng(0)
    values, patients = generator.random((40, 2)), generator.integers(0, 8, 40)
    patients[:8] = np.arange(8)
    both = patient_bootstrap(values, patients, draws=50, seed=3)
    alone = patient_bootstrap(values[:, 1], patients, draws=50, seed=3)
    assert both.shape == (50, 2)
    assert both[:, 1] == pytest.approx(alone)
    assert not np.array_equal(alone, patient_bootstrap(values[:, 1], patients, draws=50, seed=4))


def test_bootstrap_interval_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(11)
    patients = np.repeat(np.arange(30), 4)
    covered = 0
    for trial in range(200):
        values = generator.standard_normal(30)[patients] + 0.3 * generator.standard_normal(120)
        low, high = interval(patient_bootstrap(values, patients, draws=200, seed=trial))
        covered += low <= 0 <= high
    assert 0.86 <= covered / 200 <= 0.99


def test_one_patient_has_no_spread():
    assert patient_bootstrap(np.array([0.2, 0.4]), np.array([0, 0]), draws=5, seed=0) == pytest.approx(np.full(5, 0.3))


def test_interval_is_the_central_share_of_the_draws():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert interval(np.arange(101.0), 0.5) == pytest.approx((25, 75))


def test_rows_that_do_not_count_in_a_column_are_in_no_mean_of_it():
    values = np.array([[1.0, np.nan], [1.0, 0.25], [0.0, 0.75]])
    draws = patient_bootstrap(values, np.array([0, 0, 1]), draws=300, seed=1)
    assert set(np.round(draws[:, 0], 6)) == {0.0, round(2 / 3, 6), 1.0}
    assert set(np.round(draws[:, 1], 6)) == {0.25, 0.5, 0.75}
    alone = patient_bootstrap(values[:, 0], np.array([0, 0, 1]), draws=300, seed=1)
    np.testing.assert_array_equal(draws[:, 0], alone)
    only = patient_bootstrap(np.array([np.nan, 1.0]), np.array([0, 1]), draws=300, seed=1)
    assert np.isnan(only).any()
    assert interval(only) == (1.0, 1.0)


def test_areas_over_drawn_patients_are_those_of_the_rows_written_out():
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(12), rng.integers(1, 4, 12))
    labels = (rng.random(len(patients)) < 0.4).astype(np.int8)
    probabilities = np.round(0.4 * labels + rng.random(len(patients)), 1)  # with ties
    found = auc_bootstrap(probabilities, labels, patients, draws=40, seed=9)
    generator = np.random.default_rng(9)
    for area in found:
        drawn = np.concatenate([np.flatnonzero(patients == one) for one in generator.integers(0, 12, 12)])
        if len(set(labels[drawn])) == 1:
            assert np.isnan(area)
        else:
            assert area == pytest.approx(area_under_roc(probabilities[drawn], labels[drawn]))
