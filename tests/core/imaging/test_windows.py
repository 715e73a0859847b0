from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.imaging.windows import BRAIN, SOFT_TISSUE, SUBDURAL, Window, apply_window, window_table
from reference.windows import three_windows


def test_brain_window_saturates_skull_and_air_and_keeps_blood_grey() -> None:
    air, water, blood, skull = apply_window(np.array([-1000.0, 0.0, 60.0, 1200.0]), BRAIN)
    assert (air, water, skull) == (0, 0, 1)
    assert blood == 0.75


def test_the_centre_of_a_window_maps_to_one_half() -> None:
    for window in (BRAIN, SUBDURAL, SOFT_TISSUE):
        assert apply_window(np.array([window.center]), window)[0] == 0.5


@given(st.integers(-1100, 200), st.integers(1, 3000), st.sampled_from([1.0, 0.5, 2.0]), st.integers(0, 2**32 - 1))
def test_the_look_up_table_gives_the_published_image(low: int, span: int, slope: float, seed: int) -> None:
    stored = np.random.default_rng(seed).integers(low, low + span, (9, 7))
    stored[0, 0] = low
    hu = np.arange(stored.min(), stored.max() + 1) * slope - 24
    table = window_table(hu, (BRAIN, SUBDURAL, SOFT_TISSUE))
    assert np.array_equal(table[stored - stored.min()], three_windows(stored * slope - 24))


def test_the_darkest_pixel_becomes_black_even_inside_the_window() -> None:
    table = window_table(np.arange(20.0, 60.0), (Window(40, 80),))
    assert table[0, 0] == 0
    assert table[-1, 0] == int((59 / 80 - 20 / 80) * 255)
