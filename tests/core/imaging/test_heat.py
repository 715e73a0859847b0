from __future__ import annotations

import cv2
import numpy as np
import pytest

from hounsfield.core.imaging.boxes import Box, crop_to_square, resize
from hounsfield.core.imaging.heat import GRID, LEAST_TOP, Cut, activation_heats, on_whole_slice


@pytest.mark.parametrize("box", [Box(40, 70, 200, 220), Box(0, 0, 256, 200), Box(100, 20, 130, 250)])
@pytest.mark.parametrize("place", [(0.3, 0.4), (0.8, 0.75)])
def test_what_the_network_saw_in_a_box_lies_over_the_same_place_of_the_slice(
    box: Box, place: tuple[float, float]
) -> None:
    rows, columns = 256, 320
    y, x = box.y0 + place[0] * (box.y1 - box.y0), box.x0 + place[1] * (box.x1 - box.x0)
    slice_ = np.zeros((rows, columns, 3), np.uint8)
    cv2.circle(slice_, (round(x), round(y)), 12, (255, 255, 255), -1)
    seen = resize(crop_to_square(slice_, box), 96)[..., 0]  # as a network sees it
    maps = cv2.resize(seen, (24, 24), interpolation=cv2.INTER_AREA)[None].astype(np.float32)
    found = on_whole_slice(maps, Cut(box, rows, columns))[0]
    weight = found / found.sum()
    at = np.arange(GRID) + 0.5
    assert (weight.sum(axis=1) @ at) * rows / GRID == pytest.approx(y, abs=5)
    assert (weight.sum(axis=0) @ at) * columns / GRID == pytest.approx(x, abs=5)


def test_outside_of_the_box_there_is_nothing_and_inside_a_flat_map_stays_flat() -> None:
    found = on_whole_slice(np.ones((2, 3, 3), np.float32), Cut(Box(64, 128, 192, 192), 256, 256))
    expected = np.zeros((2, GRID, GRID))
    expected[:, 32:48, 16:48] = 1
    np.testing.assert_array_equal(found, expected)


def test_a_network_that_sees_the_whole_slice_needs_no_box() -> None:
    maps = np.random.default_rng(0).random((1, GRID, GRID)).astype(np.float32)
    np.testing.assert_allclose(on_whole_slice(maps), maps, atol=1e-6)


def test_each_class_has_one_scale_for_its_series_and_stays_faint_where_little_speaks_for_it() -> None:
    maps = np.zeros((2, 3, 4, 4), np.float32)
    maps[0, 0, 1, 1], maps[1, 0, 2, 2] = 8, 2
    maps[0, 1, 0, 0] = LEAST_TOP / 5
    clear, faint, none = activation_heats("run", maps, ["a", "b", "c"])
    assert (clear.name, clear.label, clear.values.dtype, clear.values.shape) == ("run", "a", np.uint8, (2, 4, 4))
    assert (clear.values[0, 1, 1], clear.values[1, 2, 2]) == (255, 64)
    assert faint.values.max() == 51
    assert not none.values.any()
