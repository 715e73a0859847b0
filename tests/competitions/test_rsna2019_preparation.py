"""What preparation makes of a slice's stored values: windows, crop box and statistics, held against plain formulas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dicom_files as files
from hounsfield.competitions.rsna2019.head_phantom.archive import render_patient
from hounsfield.competitions.rsna2019.head_phantom.recipe import PhantomRecipe
from hounsfield.competitions.rsna2019.preparation import prepare_file, window_image
from hounsfield.core.dicom import reader
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.intake.archives import SourceFile
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.storage.image_files import encode_jpeg
from hounsfield.stacking.hu_images import hu_path, read_hu
from hounsfield.stacking.preparation import store_file
from reference.windows import three_windows

PLAIN = read_slice(files.ct_file())


@st.composite
def slices(draw: st.DrawFn) -> DicomSlice:
    """Any 16-bit picture, signed or not, over any part of the scale; slopes and intercepts of real files and others."""
    dtype = np.dtype(draw(st.sampled_from(["int16", "uint16"])))
    limits = np.iinfo(dtype)
    low = draw(st.integers(limits.min, limits.max))
    high = draw(st.integers(low, min(low + draw(st.sampled_from([0, 1, 300, 4000, 65535])), limits.max)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stored = rng.integers(low, high, (draw(st.integers(1, 9)), draw(st.integers(1, 9))), dtype, endpoint=True)
    slope = draw(st.sampled_from([1.0, 0.5, 2.0, 0.1, 1.7, 100.0, 1e-6]))
    intercept = draw(st.sampled_from([-1024.0, 0.0, -1000.5, 40.0 - low * slope, 80.0 - low * slope, -high * slope]))
    stored.flags.writeable = False  # as a view of a file's bytes is
    return replace(PLAIN, stored=stored, slope=slope, intercept=intercept)


@given(slices())
def test_the_image_is_the_published_one_and_the_box_holds_all_that_is_not_black(slice_: DicomSlice) -> None:
    image, facts = window_image(slice_)
    expected = three_windows(slice_.stored * slice_.slope + slice_.intercept)
    assert np.array_equal(image[:, :, :3], expected)
    rows, columns = np.nonzero(expected.any(axis=-1))
    whole = (0, 0, expected.shape[1], expected.shape[0])
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if rows.size else whole
    assert tuple(facts[name] for name in ("x0", "y0", "x1", "y1")) == box


@given(slices())
def test_statistics_are_those_of_the_hounsfield_units_of_all_pixels(slice_: DicomSlice) -> None:
    _, facts = window_image(slice_)
    hu = slice_.stored * slice_.slope + slice_.intercept
    brain = np.clip(hu, 0, 80)
    assert (facts["hu_min"], facts["hu_max"]) == (hu.min(), hu.max())
    assert (facts["brain_min"], facts["brain_max"]) == (brain.min(), brain.max())
    assert facts["brain_diff"] == brain.max() - brain.min()
    assert facts["brain_ratio"] == ((hu > 0) & (hu < 80)).mean()
    assert facts["hu_mean"] == pytest.approx(hu.mean(), rel=1e-9, abs=1e-6)
    assert facts["brain_mean"] == pytest.approx(brain.mean(), rel=1e-9, abs=1e-6)


def test_the_means_of_whole_hounsfield_units_are_exact() -> None:
    stored = np.random.default_rng(0).integers(-1024, 3000, (64, 64)).astype(np.int16)
    _, facts = window_image(replace(PLAIN, stored=stored, slope=1.0, intercept=-24.0))
    hu = stored.astype(np.int64) - 24
    assert facts["hu_mean"] == int(hu.sum()) / hu.size
    assert facts["brain_mean"] == int(np.clip(hu, 0, 80).sum()) / hu.size


def test_the_empty_fourth_channel_does_not_reach_the_jpeg() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 24, 4), np.uint8)
    three = np.ascontiguousarray(image[:, :, :3])
    assert encode_jpeg(image, 95) == encode_jpeg(three, 95) == cv2.imencode(".jpg", three)[1].tobytes()


def test_the_plain_view_of_the_competitions_slices_is_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes as without it: nothing is turned or resampled."""
    recipe = PhantomRecipe(size=64, slices=(4, 4))
    data = [file.data for patient in (1, 3) for file in render_patient(recipe, patient)]
    seen = [read_slice(file) for file in data]
    monkeypatch.setattr(reader, "plain_view", lambda stored, place: (stored, place))
    stored = [read_slice(file) for file in data]
    for plain, as_stored in zip(seen, stored, strict=True):
        assert encode_jpeg(window_image(plain)[0], 95) == encode_jpeg(window_image(as_stored)[0], 95)
        assert replace(plain, stored=as_stored.stored) == as_stored


def prepared(content: bytes, folder: Path) -> dict[str, object]:
    """The row of one file, its image below `folder`."""
    file = SourceFile("a.dcm", str(folder), len(content), 0)
    return prepare_file(file, content, images=folder, naming=Naming(), repair_intercept=True, jpeg_quality=95)


def test_a_slice_is_the_same_row_and_the_same_image_however_it_was_stored(tmp_path: Path) -> None:
    """Mirrored, upside down, rotated: eight storages of one head, so also the answers of all networks are the same."""
    plain, *others = (prepared(files.stored_otherwise(files.PIXELS, number), tmp_path) for number in range(8))
    assert (plain["flags"], plain["x_mm"], plain["y_mm"]) == ("", -125.0, -120.5)
    for row in others:
        assert row == plain | {"flags": "turned"}


def test_the_image_in_hounsfield_units_of_the_other_system_is_turned_and_resampled_alike(tmp_path: Path) -> None:
    content = files.stored_otherwise(files.PIXELS, 5, PixelSpacing=[0.5, 1.0])
    row = prepared(content, tmp_path)
    file = SourceFile("a.dcm", str(tmp_path), len(content), 0)
    facts = (str(row["image_id"]), float(str(row["hu_mean"])), False)
    checksum = store_file(file, content, *facts, folder=tmp_path)["hu_crc32"]
    hu = read_hu(hu_path(tmp_path, facts[0]), checksum, remedy="")
    assert hu.shape == (row["rows"], row["columns"]) == (128, 64)
    shown = cv2.imread(str(next(tmp_path.rglob("*.jpg"))))
    assert shown.shape[:2] == hu.shape
    tissue = (hu > 30) & (hu < 75)
    assert np.abs(shown[..., 0].astype(float) - hu * 255 / 80)[tissue].mean() < 12  # the brain window, through JPEG


def test_the_box_of_a_turned_and_resampled_slice_is_that_of_the_picture_that_is_stored() -> None:
    pixels = np.full((64, 64), 24, np.int16)
    pixels[10:20, 4:20] = 1064  # a block near the left, in the upper third
    mirrored = files.ct_file(pixels[:, ::-1].copy(), ImageOrientationPatient=[-1, 0, 0, 0, 1, 0], PixelSpacing=[1, 0.5])
    slice_ = read_slice(mirrored)
    image, facts = window_image(slice_)
    assert image.shape[:2] == (slice_.rows, slice_.columns) == (128, 64)
    assert [facts[name] for name in ("x0", "y0", "x1", "y1")] == pytest.approx([4, 20, 20, 40], abs=1)
