"""Slices read again for a page are those that the stages saw: repaired, turned, of square pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dicom_files import ct_file, head_hu
from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.dicom.stacks import ORIENTATION
from hounsfield.core.errors import BadInput
from hounsfield.core.imaging.geometry import edge_letters
from hounsfield.core.imaging.series_view import SeriesPixels
from hounsfield.core.intake.archives import list_files
from hounsfield.core.intake.prepared_slices import series_pixels

FEET_FIRST = [-1, 0, 0, 0, 1, 0]  # rows run to the right: stored mirrored


def prepared(content: bytes, position: float) -> dict[str, object]:
    """What the table of slices knows of one file."""
    slice_ = read_slice(content)
    row = {"hu_mean": float(slice_.stored.mean()) * slice_.slope + slice_.intercept, "normal_mm": position}
    spacing = slice_.pixel_spacing or (np.nan, np.nan)
    row |= {"row_spacing_mm": spacing[0], "column_spacing_mm": spacing[1]}
    directions = slice_.orientation or (np.nan,) * 6
    return {**row, "intercept_repaired": slice_.intercept_repaired, **dict(zip(ORIENTATION, directions, strict=True))}


def pixels_of(folder: Path, contents: list[bytes]) -> SeriesPixels:
    for number, content in enumerate(contents):
        (folder / f"{number}").write_bytes(content)
    rows = [prepared(content, 5.0 * number) for number, content in enumerate(contents)]
    return series_pixels(list_files(folder), pd.DataFrame(rows), remedy="sh bin/prepare.sh --force")


def test_pixels_are_hounsfield_units_with_place_spacing_and_directions(tmp_path: Path) -> None:
    spacing = {"PixelSpacing": [0.5, 0.5], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    found = pixels_of(tmp_path, [ct_file(**spacing), ct_file(**spacing)])
    assert found.values.dtype == np.int16
    np.testing.assert_array_equal(found.values, [head_hu(), head_hu()])
    assert list(found.positions_mm) == [0, 5]
    assert (found.pixel_mm, found.letters) == ((0.5, 0.5), ("R", "L", "A", "P"))


def test_a_mirrored_series_is_shown_in_the_plain_view(tmp_path: Path) -> None:
    found = pixels_of(tmp_path, [ct_file(ImageOrientationPatient=FEET_FIRST, PixelSpacing=[0.5, 0.5])])
    np.testing.assert_array_equal(found.values[0], head_hu()[:, ::-1])
    assert found.letters == ("R", "L", "A", "P")


def test_what_the_header_does_not_say_is_not_known(tmp_path: Path) -> None:
    found = pixels_of(tmp_path, [ct_file(ImageOrientationPatient=None, PixelSpacing=None)])
    assert (found.pixel_mm, found.letters) == (None, None)


def test_a_file_that_holds_another_picture_now_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(ct_file(np.full((64, 64), 1100, np.int16)))
    rows = pd.DataFrame([prepared(ct_file(), 0.0)])
    with pytest.raises(
        BadInput, match=r"/0: its mean is .* HU, and was .* prepare it again: sh bin/prepare.sh --force"
    ):
        series_pixels(list_files(tmp_path), rows, remedy="sh bin/prepare.sh --force")


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [
        ([1, 0, 0, 0, 1, 0], "RLAP"),  # axial, as it is looked at
        ([-1, 0, 0, 0, -1, 0], "LRPA"),
        ([0, 1, 0, 0, 0, -1], "APHF"),  # sagittal
        ([1, 0, 0, 0, 0, -1], "RLHF"),  # coronal
        ([1, 0, 0, 0, 0.9, -0.4], "RLAP"),  # a tilted gantry
    ],
)
def test_edges_bear_the_patient_s_directions(orientation: list[float], letters: str) -> None:
    assert "".join(edge_letters(orientation)) == letters
