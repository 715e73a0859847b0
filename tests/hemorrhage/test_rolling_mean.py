"""The rolling mean along a series, against the plain one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.hemorrhage.ensemble import rolling_mean
from reference.rolling_mean import rolling_mean_of_series


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=7), min_size=1, max_size=5), st.randoms())
def test_rolling_mean_matches_the_plain_reference_in_any_row_order(series_values, random):
    rows = [(s, o, value) for s, values in enumerate(series_values) for o, value in enumerate(values)]
    expected = [smooth for values in series_values for smooth in rolling_mean_of_series(values)]
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    series, order, values = np.array([rows[i] for i in shuffled]).T
    found = rolling_mean(values[:, np.newaxis], series.astype(int), order.astype(int))
    assert found[:, 0] == pytest.approx([expected[i] for i in shuffled])


def test_rolling_mean_of_equal_slices_changes_nothing_and_one_slice_stays_alone():
    values = np.full((4, 6), 0.3)
    assert rolling_mean(values, np.zeros(4, int), np.arange(4)) == pytest.approx(values)
    assert rolling_mean(np.array([[0.1], [0.9]]), np.array([0, 1]), np.array([0, 0])) == pytest.approx(
        np.array([[0.1], [0.9]])
    )
