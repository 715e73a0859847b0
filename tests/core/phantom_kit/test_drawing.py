"""What every anatomy draws with: seeds, waves, grids, shapes in millimetres, and the scanner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.phantom_kit.ct_scanner import scan_slice, slice_geometry
from hounsfield.core.phantom_kit.grid import Grid, place_body
from hounsfield.core.phantom_kit.painting import Canvas
from hounsfield.core.phantom_kit.seeds import random_stream, scrambled_number
from hounsfield.core.phantom_kit.waves import random_waves


def grid(size: int = 64, spacing: float = 2.0) -> Grid:
    return place_body(size, spacing, 0.1, (4.0, -6.0), width=(-40.0, 40.0), depth=(-30.0, 30.0))


@given(st.data())
def test_different_numbers_are_never_scrambled_to_the_same_one(data: st.DataObject) -> None:
    bits, seed = data.draw(st.integers(4, 62)), data.draw(st.integers(0, 2**32))
    numbers = data.draw(st.lists(st.integers(0, 2**bits - 1), unique=True, min_size=2, max_size=16))
    scrambled = {scrambled_number(seed, 0, number, bits) for number in numbers}
    assert len(scrambled) == len(numbers)
    assert 0 <= min(scrambled) <= max(scrambled) < 2**bits


def test_a_stream_depends_on_its_numbers_alone() -> None:
    first = random_stream(1, 2, 3).integers(1 << 60)
    assert first == random_stream(1, 2, 3).integers(1 << 60)
    assert len({int(random_stream(1, *stream).integers(1 << 60)) for stream in ((2, 3), (3, 2), (2,))}) == 3


def test_waves_have_mean_zero_deviation_one_and_agree_between_neighbouring_heights() -> None:
    x, y = np.meshgrid(np.linspace(0, 600, 200, dtype=np.float32), np.linspace(0, 600, 200, dtype=np.float32))
    waves = random_waves(random_stream(5), wavelength=15.0, count=24)
    here, near, far = (waves.at(x, y, z) for z in (0.0, 0.5, 40.0))
    assert abs(here.mean()) < 0.1 and here.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(here.ravel(), near.ravel())[0, 1] > 0.95
    assert abs(np.corrcoef(here.ravel(), far.ravel())[0, 1]) < 0.5


def test_a_grid_maps_its_millimetres_to_its_pixels() -> None:
    body = grid()
    points = np.stack([body.x, body.y], axis=-1) @ body.to_pixel[:, :2].T + body.to_pixel[:, 2]
    rows, columns = np.indices(body.shape)
    assert np.allclose(points, np.stack([columns, rows], axis=-1), atol=1e-3)
    assert body.x.max() >= 38 and body.y.min() <= -28  # the body fits in


@pytest.mark.parametrize("spacing", [0.5, 2.0])
def test_a_painted_disc_has_its_area_in_square_millimetres(spacing: float) -> None:
    canvas = Canvas(grid(round(200 / spacing), spacing))
    canvas.discs(np.array([[3.0, -2.0]]), np.array([15.0]))
    assert canvas.coverage(0.3).sum() * spacing**2 == pytest.approx(np.pi * 15**2, rel=0.05)


def test_a_scan_has_the_noise_that_was_asked_for_and_air_around_the_body() -> None:
    body = grid()
    scan = scan_slice(random_stream(1), np.full(body.shape, 40.0, np.float32), body, noise=4.0)
    inside = scan[body.part][8:-8, 8:-8]
    assert scan.shape == (64, 64)
    assert inside.mean() == pytest.approx(40, abs=1.5) and inside.std() == pytest.approx(4, abs=0.8)
    assert scan[0].max() < -950


def test_what_lies_around_the_body_shows_in_air_only() -> None:
    body, around = grid(), np.full((64, 64), 500.0, np.float32)
    scan = scan_slice(random_stream(1), np.full(body.shape, 40.0, np.float32), body, 1.0, around)
    assert scan[0].mean() == pytest.approx(-500, abs=5)
    assert scan[body.part].mean() == pytest.approx(40, abs=5)


def test_slices_of_a_tilted_gantry_keep_their_distance_along_the_normal() -> None:
    heights = [-10.0, -5.0, 0.0]
    found = [slice_geometry(64, 0.5, heights, i, tilt=20.0, table=(1.0, 2.0, 3.0)) for i in range(3)]
    right, down = np.split(np.array(found[0]["ImageOrientationPatient"]), 2)
    along = [float(np.cross(right, down) @ np.array(one["ImagePositionPatient"])) for one in found]
    assert np.allclose(np.diff(along), 5.0, atol=1e-4)
    assert len({tuple(one["ImagePositionPatient"][:2]) for one in found}) == 1  # the table moves along z
    assert found[0]["PixelSpacing"] == [0.5, 0.5]


def test_the_middle_of_a_slice_lies_where_the_table_has_it_whatever_the_tilt() -> None:
    for tilt in (0.0, 15.0):
        found = slice_geometry(65, 0.5, [7.0], 0, tilt=tilt, table=(1.0, 2.0, 3.0))
        right, down = np.split(np.array(found["ImageOrientationPatient"]), 2)
        middle = np.array(found["ImagePositionPatient"]) + 32 * 0.5 * (right + down)
        assert np.allclose(middle, [1.0, 2.0, 10.0], atol=1e-4)
