"""Where slices lie: the normal, and the order along it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.imaging.geometry import position_along_normal, slice_normal

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_the_normal_of_an_axial_slice_points_to_the_head() -> None:
    assert slice_normal(np.array(AXIAL)) == pytest.approx([0, 0, 1])


def test_an_axial_slice_lies_at_its_z() -> None:
    positions = np.array([[-120.0, -125.0, 3.5], [-119.0, -125.0, -8.0]])
    assert position_along_normal(positions, np.array([AXIAL, AXIAL])) == pytest.approx([3.5, -8.0])


@given(st.floats(-40, 40), st.floats(0.5, 10), st.integers(2, 40))
def test_a_tilted_gantry_keeps_order_and_spacing(tilt: float, spacing: float, count: int) -> None:
    angle = np.deg2rad(tilt)
    orientation = np.tile([1, 0, 0, 0, np.cos(angle), -np.sin(angle)], (count, 1))
    normal = np.array([0, np.sin(angle), np.cos(angle)])
    in_plane = np.random.default_rng(0).normal(size=(count, 2)) * 50
    positions = np.arange(count)[:, None] * spacing * normal + in_plane[:, :1] * orientation[:, :3]
    positions += in_plane[:, 1:] * orientation[:, 3:]
    assert np.diff(position_along_normal(positions, orientation)) == pytest.approx(spacing)


@pytest.mark.parametrize(
    "orientation",
    [[np.nan] * 6, [0.0] * 6, [1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0], [1, 0, 0, 0.5, 0.5, 0], [np.inf, 0, 0, 0, 1, 0]],
)
def test_an_orientation_without_two_perpendicular_directions_has_no_normal(orientation: list[float]) -> None:
    assert np.isnan(slice_normal(np.array(orientation))).all()


def test_an_unknown_position_is_nan_and_its_neighbours_are_not() -> None:
    positions = np.array([[0.0, 0.0, 1.0], [np.nan] * 3, [0.0, 0.0, 2.0]])
    orientations = np.array([AXIAL, AXIAL, [np.nan] * 6])
    along = position_along_normal(positions, orientations)
    assert along[0] == 1.0
    assert np.isnan(along[1:]).all()
