"""Ranking and net benefit against plain references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.report.ranking import (
    MOST_POINTS,
    area_under_roc,
    average_precision,
    benefit_of_all,
    counts_by_threshold,
    net_benefit,
    roc,
    thinned,
)
from reference import ranking as plain

ROWS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def columns(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    probabilities, positive = zip(*rows, strict=True)
    return np.array(probabilities) / 8, np.array(positive)


def test_the_case_worked_by_hand() -> None:
    probabilities, labels = np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 1, 0])
    counts = counts_by_threshold(probabilities, labels == 1)
    assert area_under_roc(counts) == 0.75 == plain.area(probabilities.tolist(), labels.tolist())
    assert (
        average_precision(counts) == pytest.approx(5 / 6) == plain.average_precision([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
    )
    assert net_benefit(counts, np.array([0.75])).tolist() == [-0.5]
    assert benefit_of_all(counts, np.array([0.75])).tolist() == [pytest.approx(0.5 - 0.5 * 3)]


@given(ROWS)
def test_area_precision_and_benefit_equal_their_definitions(rows: list[tuple[int, bool]]) -> None:
    probabilities, positive = columns(rows)
    given_rows = probabilities.tolist(), positive.astype(int).tolist()
    counts, thresholds = counts_by_threshold(probabilities, positive), np.array([0.125, 0.3, 0.5, 0.875])
    assert area_under_roc(counts) == pytest.approx(plain.area(*given_rows))
    assert average_precision(counts) == pytest.approx(plain.average_precision(*given_rows))
    expected = [plain.net_benefit(*given_rows, p) for p in thresholds]
    assert net_benefit(counts, thresholds) == pytest.approx(expected)
    all_called = [plain.net_benefit([1.0] * len(rows), given_rows[1], p) for p in thresholds]
    assert benefit_of_all(counts, thresholds) == pytest.approx(all_called)


@given(st.integers(2, 3000), st.integers(0, 2**32 - 1))
def test_a_thinned_curve_has_few_points_of_the_curve_and_both_of_its_ends(count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    counts = counts_by_threshold(generator.random(count), np.arange(count) % 2 == 0)
    across, up = roc(counts)
    few = np.stack(thinned(across, up))
    assert few.shape[1] <= MOST_POINTS
    assert {tuple(point) for point in few.T} <= {tuple(point) for point in np.stack([across, up]).T}
    assert few[:, 0].tolist() == [0, 0] and few[:, -1].tolist() == [1, 1]
