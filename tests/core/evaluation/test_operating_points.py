"""Operating points: which threshold, and what it is worth on patients that did not choose it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.evaluation.metrics import proportion_interval
from hounsfield.core.evaluation.operating_points import DRAWS, POINTS, best_thresholds, operating_points
from hounsfield.core.evaluation.score_table import SEED
from reference.operating_points import effective_count, thresholds, wilson

VALUES = st.sampled_from(np.linspace(0, 0.95, 20).tolist())
ROWS = st.lists(st.tuples(VALUES, st.booleans()), min_size=2, max_size=60)


@given(ROWS)
def test_thresholds_are_those_of_the_plain_reference_with_ties(rows):
    values, positive = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = best_thresholds(values, positive)
    if positive.all() or not positive.any():
        assert np.isnan(found).all()
        return

    np.testing.assert_allclose(found, thresholds(values.tolist(), positive.astype(int).tolist()))


def test_a_constant_prediction_calls_all_rows_positive_or_none():
    found = dict(zip(POINTS, best_thresholds(np.full(6, 0.3), np.array([1, 0] * 3) == 1), strict=True))

    assert found == {"sensitivity_95": 0.3, "specificity_95": 0.65, "youden": 0.3}


def test_certain_negatives_leave_no_threshold_within_reach():
    found = best_thresholds(np.ones(4), np.array([True, False, True, False]))

    assert found[POINTS.index("specificity_95")] > 1


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), min_size=2, max_size=8))
def test_the_interval_of_a_share_is_wilsons_with_the_effective_number_of_rows(patients):
    hits = [min(hit, rows) for hit, rows in patients]
    right = np.concatenate([np.arange(rows) < hit for hit, (_, rows) in zip(hits, patients, strict=True)])
    codes = np.repeat(np.arange(len(patients)), [rows for _, rows in patients])
    share = right.mean()
    count = len(patients) if share in (0, 1) else effective_count(hits, [rows for _, rows in patients])

    assert proportion_interval(right, codes) == pytest.approx(wilson(share, count), abs=1e-9)


def rows_of(patients: int, seed: int = 0):
    """Two rows per patient of the same label, in five groups."""
    draws = np.random.default_rng(seed)
    names = np.repeat([f"P{number}" for number in range(patients)], 2)
    labels = np.repeat(np.arange(patients) % 2, 2).astype(float)
    return np.clip(draws.normal(0.3 + 0.4 * labels, 0.15), 0, 1), labels, names, np.repeat(np.arange(patients) % 5, 2)


def test_what_a_point_is_worth_is_counted_by_thresholds_of_the_other_groups():
    values, labels, patients, groups = rows_of(40)
    point = operating_points(values, labels, patients, groups)[POINTS.index("youden")]
    right = np.zeros(len(values), bool)
    for group in range(5):
        others = groups != group
        chosen = thresholds(values[others].tolist(), labels[others].astype(int).tolist())[2]
        right[groups == group] = (values[groups == group] >= chosen) == (labels[groups == group] == 1)

    assert point.threshold == pytest.approx(thresholds(values.tolist(), labels.astype(int).tolist())[2])
    assert (point.sensitivity.right, point.sensitivity.rows) == (int(right[labels == 1].sum()), 40)
    assert point.specificity.value == pytest.approx(right[labels == 0].mean())
    assert point.specificity.low < point.specificity.value < point.specificity.high
    assert point.threshold_low <= point.threshold <= point.threshold_high


def test_a_row_at_the_threshold_of_the_other_groups_is_called_positive():
    # by hand: the second group's thresholds lie midway between 0.25 and 0.75, and a positive of the first at 0.5
    values, labels = np.array([0.25, 0.5, 0.25, 0.75]), np.array([0, 1, 0, 1.0])

    points = operating_points(values, labels, np.arange(4), np.array([0, 0, 1, 1]))

    assert [point.sensitivity.right for point in points] == [2, 2, 2]
    assert [point.specificity.right for point in points] == [2, 2, 2]


def test_a_label_of_one_half_is_a_positive_row():
    values, labels, patients, groups = rows_of(20)
    points = operating_points(values, labels, patients, groups)

    assert operating_points(values, labels / 2, patients, groups) == points


def uneven_rows():
    """Nine patients of one to four rows, each with rows of both kinds that resemble each other, with ties."""
    draws = np.random.default_rng(8)
    codes = np.repeat(np.arange(9), [3, 1, 4, 2, 3, 4, 2, 3, 4])
    labels = (draws.random(len(codes)) < np.linspace(0.1, 0.9, 9)[codes]).astype(float)
    values = 0.3 * labels + 0.3 * draws.random(9)[codes] + 0.4 * draws.random(len(codes))
    return np.round(values * 20) / 20, labels, codes


def test_the_interval_of_a_threshold_is_that_of_the_drawn_patients_rows_written_out():
    values, labels, codes = uneven_rows()
    points = operating_points(values, labels, np.array([f"P{9 - code}" for code in codes]), codes % 3)
    generator, drawn = np.random.default_rng(SEED), []
    for _ in range(DRAWS):
        rows = np.concatenate([np.flatnonzero(codes == one) for one in generator.integers(0, 9, 9)])
        if len(set(labels[rows])) == 2:
            drawn.append(thresholds(values[rows].tolist(), labels[rows].astype(int).tolist(), values.tolist()))

    expected = np.quantile(drawn, [0.025, 0.975], axis=0).T
    assert (expected[:, 0] < expected[:, 1]).all()
    np.testing.assert_allclose([(point.threshold_low, point.threshold_high) for point in points], expected)


def test_the_interval_of_what_a_point_is_worth_counts_patients_not_rows():
    values, labels, codes = uneven_rows()
    point = operating_points(values, labels, codes, codes % 3)[POINTS.index("youden")]
    right = np.zeros(len(values), bool)
    for group in range(3):
        own, others = codes % 3 == group, codes % 3 != group
        chosen = thresholds(values[others].tolist(), labels[others].astype(int).tolist())[2]
        right[own] = (values[own] >= chosen) == (labels[own] == 1)

    for worth, kind in ((point.sensitivity, labels == 1), (point.specificity, labels == 0)):
        own = [right[kind & (codes == code)] for code in np.unique(codes[kind])]
        count = effective_count([int(one.sum()) for one in own], [len(one) for one in own])
        assert count < kind.sum()
        assert (worth.low, worth.high) == pytest.approx(wilson(right[kind].mean(), count))


def test_points_are_where_they_were_wanted_and_narrower_with_more_patients():
    few, many = (operating_points(*rows_of(count)) for count in (40, 1000))

    assert many[0].sensitivity.value == pytest.approx(0.95, abs=0.02)
    assert many[1].specificity.value == pytest.approx(0.95, abs=0.02)
    for one, other in zip(few, many, strict=True):
        assert other.threshold_high - other.threshold_low < one.threshold_high - one.threshold_low
        assert other.sensitivity.high - other.sensitivity.low < one.sensitivity.high - one.sensitivity.low


def test_labels_of_one_kind_have_no_operating_points():
    values, labels, patients, groups = rows_of(20)

    assert operating_points(values, np.zeros_like(labels), patients, groups) == ()
