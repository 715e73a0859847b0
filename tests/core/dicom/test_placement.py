"""Every slice is looked at in the plain view of its plane: turned, with square pixels, and still where it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dicom_files as files
from dicom_files import hounsfield_units
from hounsfield.core.dicom.placement import Place, plain_view
from hounsfield.core.dicom.reader import read_slice
from hounsfield.stacking.hu_images import hu_of

AXIAL, CORONAL, SAGITTAL = files.AXIAL, (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
CORNER = (-120.0, -90.0, 42.0)


def where(place: Place, row: int, column: int) -> np.ndarray:
    """The point in the patient of a pixel's centre, mm (PS3.3 C.7.6.2.1.1)."""
    right, down = np.array(place.orientation[:3]), np.array(place.orientation[3:])
    by_row, by_column = place.pixel_spacing
    return np.array(place.position) + right * by_column * column + down * by_row * row


@pytest.mark.parametrize("plane", [AXIAL, CORONAL, SAGITTAL])
@pytest.mark.parametrize("stored", range(8))
def test_a_picture_is_the_same_however_it_was_stored(plane: tuple[float, ...], stored: int) -> None:
    turn, word = files.STORED[stored]
    plain = np.arange(12 * 7, dtype=np.int16).reshape(12, 7)
    orientation = tuple(files.directions(plane, word))
    corners = [np.array(CORNER) + 0.5 * (np.array(plane[:3]) * column + np.array(plane[3:]) * row)
               for row, column in itertools.product((0, 11), (0, 6))]  # fmt: skip
    first = int(turn(plain)[0, 0])  # which corner of the plain picture comes first in the stored one
    at = corners[[0, 6, 77, 83].index(first)]
    picture, place = plain_view(turn(plain), Place((at[0], at[1], at[2]), orientation, (0.5, 0.5)))
    assert np.array_equal(picture, plain)
    assert picture.flags.c_contiguous
    assert place == Place(CORNER, tuple(map(float, plane)), (0.5, 0.5), ("turned",) if stored else ())


@given(
    st.integers(0, 7), st.sampled_from([AXIAL, CORONAL, SAGITTAL]), st.floats(-0.6, 0.6), st.floats(-0.6, 0.6),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)  # fmt: skip
def test_every_pixel_stays_where_it_was_in_the_patient(
    stored: int, plane: tuple[float, ...], tilt: float, spin: float, shape: tuple[int, int]
) -> None:
    """Also where the gantry is tilted and the head turned: what is oblique stays so."""
    _, word = files.STORED[stored]
    orientation = np.array(files.directions(plane, word)).reshape(2, 3)
    for first, second, angle in ((1, 2, tilt), (0, 1, spin)):
        rotation = np.eye(3)
        rotation[[first, second], [first, second]] = np.cos(angle)
        rotation[first, second], rotation[second, first] = -np.sin(angle), np.sin(angle)
        orientation = orientation @ rotation.T
    before = Place(CORNER, tuple(orientation.ravel()), (0.5, 0.5))
    values = np.arange(shape[0] * shape[1], dtype=np.int16).reshape(shape)
    picture, after = plain_view(values, before)
    for row, column in itertools.product((0, picture.shape[0] - 1), (0, picture.shape[1] - 1)):
        old_row, old_column = divmod(int(picture[row, column]), shape[1])
        assert where(after, row, column) == pytest.approx(where(before, old_row, old_column), abs=1e-9)
    assert plain_view(picture, after)[1] == after  # and what is plain is not turned again


@pytest.mark.parametrize("spacing", [(1.0, 0.5), (0.5, 1.0), (0.75, 0.5), (5.0, 0.5)])
def test_pixels_become_square_and_what_they_show_stays_in_its_place(spacing: tuple[float, float]) -> None:
    """A ramp over the patient is the same ramp afterwards: values are Hounsfield units at points, not at indices."""
    before = Place(CORNER, AXIAL, spacing)
    x, y = (CORNER[axis] + spacing[1 - axis] * np.arange(20) for axis in (0, 1))
    ramp = np.rint(10 * (x[None, :] - CORNER[0]) + 7 * (y[:, None] - CORNER[1])).astype(np.int16)
    picture, after = plain_view(ramp, before)
    side = min(spacing)
    assert picture.shape == (round(20 * spacing[0] / side), round(20 * spacing[1] / side))
    assert after.pixel_spacing == pytest.approx((side, side))
    assert after.flags == ("resampled",)
    inner = picture.shape[0] // 2, picture.shape[1] // 2
    for row, column in itertools.product((inner[0] - 3, inner[0] + 2), (inner[1] - 3, inner[1] + 2)):
        point = where(after, row, column) - CORNER
        assert picture[row, column] == pytest.approx(10 * point[0] + 7 * point[1], abs=1.5)
    edges = where(before, 0, 0) - np.array([spacing[1], spacing[0], 0]) / 2
    assert where(after, 0, 0) - side / 2 * np.array([1, 1, 0]) == pytest.approx(edges)


def test_a_spacing_of_no_scanner_leaves_the_picture_alone_and_allocates_nothing() -> None:
    for spacing in ([50.0, 0.5], [1e-5, 1e5]):
        slice_ = read_slice(files.ct_file(PixelSpacing=spacing))
        assert (slice_.rows, slice_.columns, slice_.flags) == (64, 64, ("pixel_aspect_unlikely",))
    wide = Place(CORNER, AXIAL, (15.0, 1.0))
    assert plain_view(np.zeros((600, 2), np.int16), wide)[1].flags == ("pixel_aspect_unlikely",)


def test_a_spacing_whose_digits_differ_by_rounding_is_square() -> None:
    slice_ = read_slice(files.ct_file(PixelSpacing=["0.48828", "0.488281"]))
    assert (slice_.rows, slice_.columns, slice_.flags) == (64, 64, ())


@pytest.mark.parametrize("orientation", [AXIAL, (1, 0, 0, 0, 0.9511, -0.309), None])
def test_a_plain_slice_is_not_touched(orientation: tuple[float, ...] | None) -> None:
    slice_ = read_slice(files.ct_file(ImageOrientationPatient=orientation and list(orientation)))
    assert not slice_.stored.flags.owndata  # still the bytes of the file
    assert {"turned", "resampled"}.isdisjoint(slice_.flags)


def test_a_slice_without_a_spacing_or_a_position_is_turned_all_the_same() -> None:
    mirrored = {"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0]}
    for missing in ("PixelSpacing", "ImagePositionPatient"):
        slice_ = read_slice(files.ct_file(files.PIXELS[:, ::-1].copy(), **mirrored, **{missing: None}))
        assert np.array_equal(slice_.stored, files.PIXELS)
        assert "turned" in slice_.flags


def test_the_padding_of_a_slice_does_not_bleed_into_what_lies_beside_it() -> None:
    """Padding becomes air before pixels are resampled, so that what lies between is between tissue and air."""
    pixels = files.head_hu()
    pixels[20:24] = -32768
    slice_ = read_slice(files.ct_file(pixels, RescaleIntercept=0, PixelPaddingValue=-32768, PixelSpacing=[1.0, 0.5]))
    assert slice_.stored.min() == -1024
    assert slice_.stored.shape == (128, 64)


def test_an_x_ray_is_left_as_it_is_stored() -> None:
    data = files.ct_file(Modality="DX", PixelSpacing=[1, 0.5], ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])
    slice_ = read_slice(data, modalities=frozenset({"DX"}))
    assert (slice_.rows, slice_.columns, slice_.flags) == (64, 64, ())


@pytest.mark.parametrize("stored", range(8))
def test_both_systems_see_the_plain_head(stored: int) -> None:
    turn, word = files.STORED[stored]
    pixels = turn(files.PIXELS).copy()
    slice_ = read_slice(files.ct_file(pixels, ImageOrientationPatient=files.directions(AXIAL, word)))
    assert np.array_equal(hounsfield_units(slice_), files.head_hu())
    assert np.array_equal(hu_of(slice_), files.head_hu().clip(-150, 230))
