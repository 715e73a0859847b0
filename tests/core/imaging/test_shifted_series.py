from __future__ import annotations

import numpy as np
import pytest

from hounsfield.core.imaging.shifts import (
    AIR,
    INTERCEPT,
    NOISE,
    SHIFTS,
    backwards,
    thicker,
    turned,
    with_intercept,
    with_noise,
    without_thirds,
)


def chance() -> np.random.Generator:
    return np.random.default_rng(1)


def test_noise_has_its_standard_deviation_and_no_mean_and_is_the_same_for_the_same_draw() -> None:
    flat = np.full((3, 64, 64), 40, np.int16)
    found = with_noise(flat, chance())
    assert found.std() == pytest.approx(NOISE, rel=0.03)
    assert found.mean() == pytest.approx(40, abs=0.5)
    assert np.array_equal(found, with_noise(flat, chance()))


def test_thicker_slices_are_means_of_a_slice_and_its_neighbours_as_far_as_there_are_any() -> None:
    values = np.array([0, 30, 90, 300], np.int16).reshape(4, 1, 1)
    assert thicker(values, chance()).ravel().tolist() == [15, 40, 140, 195]
    assert thicker(values[:1], chance()).ravel().tolist() == [0]


def test_a_turned_head_keeps_its_middle_and_gets_air_at_its_corners() -> None:
    values = np.full((1, 101, 101), 40, np.int16)
    values[0, 10, 50] = 1000  # forty pixels above the middle
    found = turned(values, chance())[0]
    assert found[50, 50] == 40
    assert found[0, 0] == AIR
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert np.hypot(y - 50, x - 50) == pytest.approx(40, abs=1)
    assert np.degrees(np.arctan2(abs(x - 50), 50 - y)) == pytest.approx(10, abs=1)


def test_a_shifted_intercept_moves_every_value_and_ends_where_the_numbers_end() -> None:
    values = np.array([-1000, 0, 32767], np.int16).reshape(1, 1, 3)
    assert with_intercept(values, chance()).ravel().tolist() == [INTERCEPT - 1000, INTERCEPT, 32767]


def test_every_third_slice_is_dropped_never_the_first_and_backwards_is_the_whole_series() -> None:
    assert without_thirds(7).tolist() == [0, 1, 3, 4, 6]
    assert without_thirds(1).tolist() == [0]
    assert backwards(3).tolist() == [2, 1, 0]


def test_every_shift_keeps_shape_and_type_and_has_a_name_of_its_own() -> None:
    values = np.random.default_rng(0).integers(-1000, 1000, (4, 16, 20)).astype(np.int16)
    for shift in SHIFTS:
        if shift.change is not None:
            found = shift.change(values, chance())
            assert (found.shape, found.dtype) == (values.shape, values.dtype)
            assert not np.array_equal(found, values)
        assert set(shift.kept(4)) <= set(range(4))
    assert len({shift.name for shift in SHIFTS}) == len(SHIFTS)
    assert SHIFTS[0].change is None
    assert SHIFTS[0].kept(5).tolist() == [0, 1, 2, 3, 4]
