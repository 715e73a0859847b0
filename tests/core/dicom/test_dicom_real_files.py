"""Real files, those that come with pydicom: each has its outcome, and values that other readers agree with."""

from __future__ import annotations

import warnings
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest

import shipped_files as shipped
from hounsfield.core.dicom.format import read_pixel_format
from hounsfield.core.dicom.header import read_header
from hounsfield.core.dicom.pixels import find_pixels, read_pixels
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.dicom.reason_codes import FLAGS, REFUSALS
from hounsfield.core.errors import Refused

IMAGES = sorted((*shipped.FOLDER.glob("*.dcm"), *shipped.CHARACTER_SETS.glob("*.dcm")))

LOSSY_12_BITS = {"JPEG-lossy.dcm", "JPGExtended.dcm"}  # pydicom asks no decoder for these


def as_gdcm_reads(path: Path) -> np.ndarray:
    """The stored values of 16 bits, unsigned, by GDCM's own reader of whole files."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    image = reader.GetImage()
    values = image.GetBuffer().encode("utf-8", errors="surrogateescape")
    return np.frombuffer(values, np.uint16).reshape(image.GetDimension(1), image.GetDimension(0))


def outcome(path: Path, modalities: frozenset[str]) -> DicomSlice | str:
    try:
        return read_slice(path.read_bytes(), modalities=modalities)
    except Refused as refused:
        assert refused.code in REFUSALS
        return refused.code


@pytest.mark.parametrize("name", shipped.OUTCOMES)
def test_a_real_file_is_used_with_its_flags_or_refused_by_its_code(name: str) -> None:
    expected = shipped.OUTCOMES[name]
    for modalities, code in ((frozenset({"CT"}), expected.as_ct), (shipped.ANY_IMAGE, expected.as_any_image)):
        found = outcome(shipped.FOLDER / name, modalities)
        if code == shipped.USED:
            assert isinstance(found, DicomSlice)
            assert found.flags == expected.flags
            assert not found.intercept_repaired
        else:
            assert found == code


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "mean"),
    [
        ("693_J2KI.dcm", 0, 2836, -603.018),
        ("J2K_pixelrep_mismatch.dcm", -1024, 1896, -448.996),
        ("dicomdirtests/77654033/CT2/17106", 43, 1101, -618.73),
        ("dicomdirtests/77654033/CR1/6154", 4095 - 2802, 4095 - 1994, 0.684 * 4095 + 400 - 1926.274),
        ("image_dfl.dcm", 0, 255, 127.116),
    ],
)
def test_values_are_those_of_other_readers(name: str, lowest: int, highest: int, mean: float) -> None:
    """Stored values, and the mean rescaled: as GDCM reads them, then padding raised to air and MONOCHROME1 inverted."""
    slice_ = outcome(shipped.FOLDER / name, shipped.ANY_IMAGE)
    assert isinstance(slice_, DicomSlice)
    assert (slice_.stored.min(), slice_.stored.max()) == (lowest, highest)
    assert (slice_.stored * slice_.slope + slice_.intercept).mean() == pytest.approx(mean, abs=5e-3)


@pytest.mark.parametrize("form", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"])
def test_one_picture_in_many_transfer_syntaxes_is_one_picture(form: str) -> None:
    plain, other = (outcome(shipped.FOLDER / f"MR_small{end}.dcm", shipped.ANY_IMAGE) for end in ("", f"_{form}"))
    assert isinstance(plain, DicomSlice)
    assert isinstance(other, DicomSlice)
    assert np.array_equal(plain.stored, other.stored)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_a_real_file_reads_as_pydicom_reads_it_or_is_refused(path: Path) -> None:
    slice_ = outcome(path, shipped.ANY_IMAGE)
    if isinstance(slice_, str):
        return
    assert set(slice_.flags) <= set(FLAGS)
    header = read_header(path.read_bytes())
    stored, _ = read_pixels(header, find_pixels(header), read_pixel_format(header))
    if path.name in LOSSY_12_BITS:
        assert np.array_equal(stored, as_gdcm_reads(path))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(stored, pydicom.dcmread(path).pixel_array)


def test_the_text_of_a_header_is_in_no_message() -> None:
    data = shipped.SMALL_CT.read_bytes()
    for cut in (len(data) * 9 // 10, len(data) // 2, 2000, 1000, 400):
        with pytest.raises(Refused) as caught:
            read_slice(data[:cut])
        assert caught.value.__cause__ is None
        assert not any(word in caught.value.message.upper() for word in ("COMPRESSED", "1CT1", "JFK", "ISOVUE", "CT01"))
