"""Windows cover every slice of every study; positions say where in it they lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.errors import WrongUse
from hounsfield.spine.config import WindowsConfig
from hounsfield.spine.positions import channel_positions, sinusoids, window_positions
from hounsfield.spine.slice_windows import check_windows, sparse_step, sparse_window, triplet_starts, window_starts
from reference.sinusoids import embedding
from reference.study_windows import shown, starts


@pytest.mark.parametrize("step", [12, 16, 96])
def test_every_slice_of_every_study_is_in_a_window(step: int) -> None:
    """Published: the last two slices were in none, and short studies had none (defect 11)."""
    for count in range(1, 701):
        found = window_starts(count, 96, step)
        covered = np.zeros(count, bool)
        for start in found:
            covered[start : start + 96] = True
        assert covered.all()
        assert found[-1] + 96 == max(count, 96)


@given(st.integers(1, 700), st.integers(1, 96), st.integers(1, 40))
def test_windows_begin_where_the_reference_says(count: int, slices: int, step: int) -> None:
    assert window_starts(count, slices, step).tolist() == starts(count, slices, step)
    if step <= slices:
        assert shown(count, slices, step) == list(range(count))


@given(st.integers(1, 700))
def test_every_slice_is_in_a_triplet_that_is_predicted(count: int) -> None:
    found = triplet_starts(count)
    assert {z for start in found for z in range(start, min(count, start + 3))} == set(range(count))
    assert count < 3 or found[-1] + 3 == count


@given(st.integers(1, 700), st.integers(0, 10_000))
def test_a_sparse_window_stays_in_its_study_and_keeps_its_stride(count: int, seed: int) -> None:
    start = int(np.random.default_rng(seed).integers(count))
    slices = sparse_window(start, count, 24, 0.6, seed)
    assert start <= slices[0] < start + 4
    assert slices[-1] < count
    steps = set(np.diff(slices).tolist())
    assert len(steps) <= 1
    stride = steps.pop() if steps else 1
    assert 1 <= stride <= max(1, min(4, (count - start) // 24))
    assert len(slices) == min(24, count - start)


def test_six_sparse_windows_in_ten_skip_slices_by_every_stride() -> None:
    strides = [int(np.diff(sparse_window(0, 500, 96, 0.6, seed))[0]) for seed in range(2000)]
    assert np.mean(np.array(strides) > 1) == pytest.approx(0.6, abs=0.03)
    assert [strides.count(stride) / 2000 for stride in (2, 3, 4)] == pytest.approx([0.2] * 3, abs=0.03)


def test_a_sparse_window_begins_at_each_slice_of_its_first_stride_as_often() -> None:
    """Section 3: stride d of 2 to m, with random offset in [0, d), before truncating to 96."""
    drawn = [sparse_window(7, 500, 96, 1.0, seed) for seed in range(3000)]
    begun = [(int(slices[1] - slices[0]), int(slices[0]) - 7) for slices in drawn]
    for stride in (2, 3, 4):
        shares = [begun.count((stride, offset)) / 3000 for offset in range(stride)]
        assert shares == pytest.approx([1 / 3 / stride] * stride, abs=0.025)
    assert {len(slices) for slices in drawn} == {96}


@pytest.mark.parametrize(
    ("first", "last", "step"), [(5, 5, 96), (0, 100, 20), (0, 5000, 1), (10, 11, 96), (0, 150, 13)]
)
def test_the_sparse_step_is_at_least_one_slice_and_at_most_a_window(first: int, last: int, step: int) -> None:
    """Published: infinite where the range is one slice, and 0 above 4000 (defect 27)."""
    assert sparse_step(first, last, 96) == step


def test_sinusoids_are_those_of_the_formula() -> None:
    values = [0.0, 1.0, 33.3, 200.0, 202.0, 4.5]
    np.testing.assert_allclose(
        sinusoids(torch.tensor(values)).numpy(), np.array([embedding(value) for value in values]), atol=1e-6
    )  # fmt: skip


def test_positions_are_relative_to_the_study_or_ordinal_as_published() -> None:
    slices = np.array([0, 50, 100])
    assert window_positions(slices, 101, "true").tolist() == [0, 100, 200]
    assert window_positions(slices, 101, "ordinal").tolist() == [202, 203, 204]
    assert window_positions(np.array([0]), 1, "true").tolist() == [0]
    assert channel_positions(5, "true").tolist() == [0, 1, 2, 0, 1]
    assert channel_positions(3, "ordinal").tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("config", "fact"),
    [
        ({"slices": 50}, "windows.slices 50"),
        ({"predict_step": 97}, "windows.predict_step 97"),
        ({"slices": 9}, "train"),
    ],
)
def test_windows_that_would_leave_slices_out_are_wrong_use(config: dict, fact: str) -> None:
    with pytest.raises(WrongUse, match=fact):
        check_windows(WindowsConfig(**config))
