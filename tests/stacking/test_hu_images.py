from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import shipped_files as shipped
from dicom_files import ct_file
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.errors import BadInput, MissingInput, Refused
from hounsfield.core.imaging.windows import BRAIN, SOFT_TISSUE, SUBDURAL
from hounsfield.core.storage.image_files import store_image
from hounsfield.stacking.hu_images import BITS, BYTES_PER_PIXEL, HIGHEST, LOWEST, encode_hu, hu_of, hu_path, read_hu

IMAGES = arrays(
    np.int16, array_shapes(min_dims=2, max_dims=2, min_side=16, max_side=40), elements=st.integers(LOWEST, HIGHEST)
)
REMEDY = "sh bin/run_41_stacking_data.sh"


@pytest.fixture(scope="module")
def head() -> DicomSlice:
    return read_slice(ct_file())


def test_what_is_kept_is_what_the_three_windows_show() -> None:
    assert (LOWEST, HIGHEST, BITS) == (-150, 230, 9)
    for window in (BRAIN, SUBDURAL, SOFT_TISSUE):
        assert window.lower >= LOWEST
        assert window.lower + window.width <= HIGHEST


@settings(max_examples=60)
@given(IMAGES)
def test_every_pixel_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, image: np.ndarray) -> None:
    path = tmp_path_factory.getbasetemp() / "image.jls"
    found = read_hu(path, store_image(path, encode_hu(image)), remedy="")
    assert found.dtype == np.int16
    assert np.array_equal(found, image)


def test_a_picture_of_a_few_pixels_is_refused_and_named_by_its_size() -> None:
    with pytest.raises(Refused, match="a picture of 1 x 2 pixels that JPEG-LS makes larger") as refused:
        encode_hu(np.zeros((1, 2), np.int16))
    assert refused.value.code == "incompressible"


def test_hounsfield_units_are_rounded_to_the_nearest_whole_number_and_clipped(head: DicomSlice) -> None:
    stored = np.array([[-1000, -301, -300, 0], [161, 162, 921, 32767]], np.int16)
    slice_ = replace(head, stored=stored, slope=0.5, intercept=0.2)
    assert hu_of(slice_).tolist() == [[-150, -150, -150, 0], [81, 81, 230, 230]]


def test_a_head_keeps_air_brain_blood_and_bone_apart(head: DicomSlice) -> None:
    hu = hu_of(head)
    assert hu.shape == (64, 64)
    assert set(np.unique(hu)) == {LOWEST, 35, 70, HIGHEST}


def test_the_image_lies_in_one_of_many_folders() -> None:
    path = hu_path(Path("hu"), "ID_0123456789")
    assert (path.name, len(path.parent.name)) == ("ID_0123456789.jls", 2)


def test_a_missing_and_a_damaged_image_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"absent\.jls is missing; make it with: sh bin/run_41_stacking_data\.sh"):
        read_hu(tmp_path / "absent.jls", 0, remedy=REMEDY)
    path = tmp_path / "bad.jls"
    encoded = encode_hu(np.zeros((20, 30), np.int16))
    for content in (b"", encoded[:-3], encoded[:12] + b"\xff" + encoded[13:]):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"bad\.jls is not the image that was written.*run_41_stacking_data"):
            read_hu(path, zlib.crc32(encoded), remedy=REMEDY)


@pytest.mark.parametrize("path", [shipped.HEAD_CT, shipped.LOSSY_HEAD_CT], ids=lambda path: path.stem)
def test_a_real_head_comes_back_and_takes_less_than_the_disk_that_is_asked_for(path: Path, tmp_path: Path) -> None:
    hu = hu_of(read_slice(path.read_bytes()))
    encoded = encode_hu(hu)
    assert np.array_equal(read_hu(tmp_path / "a.jls", store_image(tmp_path / "a.jls", encoded), remedy=""), hu)
    assert 0.05 < len(encoded) / hu.size < BYTES_PER_PIXEL
