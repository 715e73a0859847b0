"""The DICOM files of phantoms: what was stored is read again, by pydicom and by the project's own reader."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import DigitalXRayImageStorageForPresentation

from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.phantom_kit.dicom_writer import Storage, dicom_file, stored_values

ELEMENTS: dict[str, Any] = {
    "SOPInstanceUID": "1.2.3",
    "Modality": "CT",
    "PixelSpacing": [0.5, 0.5],
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
}
CT = Storage(offset=1024)


def hu(size: int = 8) -> np.ndarray:
    """Values from air to bone, (size, size) float32."""
    return np.linspace(-1000, 2900, size * size, dtype=np.float32).reshape(size, size)


def read(data: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(data))


@given(st.integers(2, 16), st.booleans(), st.integers(-(2**15), 2**15 - 1))
def test_stored_values_are_the_values_modulo_the_bits(bits: int, signed: bool, value: int) -> None:
    stored = int(stored_values(np.full((1, 1), value, np.float32), Storage(bits=bits, signed=signed))[0, 0])
    assert (stored - value) % 2**bits == 0
    assert (-(2 ** (bits - 1)) <= stored < 2 ** (bits - 1)) if signed else (0 <= stored < 2**bits)


def test_a_ct_file_gives_its_hounsfield_units_again() -> None:
    data = dicom_file(hu(), CT, ELEMENTS)
    dataset = read(data)
    assert (dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation) == (16, 15, 1)
    assert np.array_equal(dataset.pixel_array + dataset.RescaleIntercept, np.rint(hu()))
    found = read_slice(data)
    assert np.array_equal(found.stored * found.slope + found.intercept, np.rint(hu()))


def test_a_file_of_twelve_unsigned_bits_wraps_round() -> None:
    dataset = read(dicom_file(hu(), Storage(bits=12, signed=False), {**ELEMENTS, "RescaleIntercept": "0"}))
    assert (dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation) == (12, 11, 0)
    assert np.array_equal(dataset.pixel_array, np.rint(hu()).astype(int) % 4096)


def test_padding_is_stored_outside_the_circular_field_of_view_only() -> None:
    stored = read(dicom_file(hu(64), Storage(offset=1024, padding=-2000), ELEMENTS)).pixel_array
    row, column = np.mgrid[:64, :64] - 31.5
    assert np.array_equal(stored == -2000, np.hypot(row, column) > 32)


def test_a_file_holds_the_elements_that_were_handed_in_and_those_of_its_pixels_and_no_other() -> None:
    dataset = read(dicom_file(hu(), CT, ELEMENTS))
    assert {element.keyword for element in dataset} == set(ELEMENTS) | {
        "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
        "PixelRepresentation", "PixelData",
    }  # fmt: skip


def test_a_film_names_its_own_class_and_photometric_interpretation_and_no_rescale() -> None:
    elements = {"SOPInstanceUID": "1.2.4", "Modality": "DX", "PhotometricInterpretation": "MONOCHROME1"}
    film = np.arange(12, dtype=np.float32).reshape(3, 4)
    sop_class = DigitalXRayImageStorageForPresentation
    dataset = read(dicom_file(film, Storage(bits=10, signed=False), elements, sop_class=sop_class))
    assert dataset.file_meta.MediaStorageSOPClassUID == sop_class
    assert (dataset.PhotometricInterpretation, dataset.Rows, dataset.Columns) == ("MONOCHROME1", 3, 4)
    assert "RescaleIntercept" not in dataset
    assert np.array_equal(dataset.pixel_array, film)


def test_a_truncated_file_has_about_a_third_of_its_pixel_data() -> None:
    dataset = read(dicom_file(hu(), CT, ELEMENTS, truncated=True))
    assert len(dataset.PixelData) == 42  # of 128 bytes, even
    with pytest.raises(ValueError, match="less"):
        _ = dataset.pixel_array


@pytest.mark.filterwarnings("error")
def test_names_that_are_no_valid_uids_are_written_as_they_are_and_without_a_warning() -> None:
    data = dicom_file(hu(), CT, {**ELEMENTS, "SOPInstanceUID": "ID_1a2b"})
    assert b"ID_1a2b" in data
