"""Real files: two head series and every odd file, each with its outcome, against values from other readers.

Skipped where the folder is not there. The last test uses the files that pydicom itself brings along.
"""

from __future__ import annotations

import csv
import math
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest

from hounsfield.core.dicom.format import read_pixel_format
from hounsfield.core.dicom.header import read_header
from hounsfield.core.dicom.pixels import find_pixels, read_pixels
from hounsfield.core.dicom.reader import FLAGS, REFUSALS, DicomSlice, read_slice
from hounsfield.core.errors import Refused
from hounsfield.core.imaging.geometry import position_along_normal

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "dicom"
SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
ANY_IMAGE = frozenset({"CR", "CT", "DX", "MR", "NM", "OT"})
GE, PHILIPS = "ct_head_human_ge_tilt", "ct_head_phantom_philips_5mm"

real_files = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder of real files is not there")

# File: refusal code as a CT, refusal code whatever the modality (None: kept), flags when kept.
ODD: dict[str, tuple[str | None, str | None, tuple[str, ...]]] = {
    "cornerstoneWADOImageLoader__CT1_J2KR": (None, None, ()),
    "covid-chest-imaging-database__1.3.6.1.4.1.11129.5.5.110503645592756492463169821050252582267888.dcm": (
        "modality", None, ("rescale_missing",),
    ),
    "dcm_qa_ct__S21570_S1000_I10_localizer": ("localizer", "localizer", ()),
    "deid-data__ctbrain1.dcm": ("colour", "colour", ()),
    "dicomParser__CT1_UNC.explicit_big_endian.dcm": (None, None, ()),
    "dicomParser__CT1_UNC.fragmented_bot_jpeg_ls.80.dcm": (None, None, ()),
    "fo-dicom__D_CLUNIE_CT1_RLE_FRAGS.dcm": (None, None, ()),
    "fo-dicom__IM-0001-0001-0001_labelled_CSPINE.dcm": (
        None, None, ("patient_id_missing", "body_part_unexpected", "precision_mismatch"),
    ),
    "nitest-dicom__siemens_ct_header_csa.dcm": ("no_pixel_data", "no_pixel_data", ()),
    "pydicom-data__RG1_J2KI.dcm": ("modality", None, ("rescale_missing", "monochrome1_inverted")),
    "pydicom-data__eCT_Supplemental.dcm": ("multi_frame", "multi_frame", ()),
    "pydicom__693_J2KI.dcm": (None, None, ("precision_mismatch",)),
    "pydicom__77654033_CR1_6154": ("modality", None, ("monochrome1_inverted",)),
    "pydicom__77654033_CT2_17106": (None, None, ()),
    "pydicom__J2K_pixelrep_mismatch.dcm": (None, None, ("sign_mismatch",)),
    "pydicom__MR_truncated.dcm": ("modality", "pixel_data_short", ()),
    "pydicom__image_dfl.dcm": ("modality", None, ("patient_id_missing", "rescale_missing")),
    "pydicom__no_meta.dcm": ("no_file_meta", "no_file_meta", ()),
}  # fmt: skip
INVERTED = {"pydicom-data__RG1_J2KI.dcm": 2**15 - 1, "pydicom__77654033_CR1_6154": 2**12 - 1}


@cache
def manifest() -> dict[str, dict[str, str]]:
    with (FOLDER / "MANIFEST.csv").open(newline="") as rows:
        return {row["file"]: row for row in csv.DictReader(rows)}


def outcome(path: Path, modalities: frozenset[str]) -> DicomSlice | str:
    try:
        return read_slice(path.read_bytes(), modalities=modalities)
    except Refused as refused:
        assert refused.code in REFUSALS
        return refused.code


def assert_values_agree(slice_: DicomSlice, row: dict[str, str], inverse: int | None) -> None:
    """Compare with the manifest, whose values are as stored: before inversion, and with padding as it was."""
    low, high, mean = int(row["stored_min"]), int(row["stored_max"]), float(row["rescaled_mean"])
    if inverse is not None:
        low, high = inverse - high, inverse - low
        mean = inverse * slice_.slope + 2 * slice_.intercept - mean
    air = math.ceil((-1024 - slice_.intercept) / slice_.slope) if row["modality"] == "CT" else low
    assert (slice_.stored.min(), slice_.stored.max()) == (max(low, air), high)
    if low >= air:
        assert (slice_.stored * slice_.slope + slice_.intercept).mean() == pytest.approx(mean, abs=1e-3)


@real_files
def test_every_odd_file_has_an_expected_outcome() -> None:
    assert {path.name for path in (FOLDER / "odd").iterdir()} == set(ODD)


@real_files
@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_kept_with_right_values_or_refused_with_a_reason(name: str) -> None:
    as_ct, as_any, flags = ODD[name]
    path = FOLDER / "odd" / name
    for modalities, code in ((frozenset({"CT"}), as_ct), (ANY_IMAGE, as_any)):
        result = outcome(path, modalities)
        if code is not None:
            assert result == code
            continue
        assert isinstance(result, DicomSlice)
        assert result.flags == flags
        assert_values_agree(result, manifest()[f"odd/{name}"], INVERTED.get(name))


@real_files
def test_one_picture_in_four_transfer_syntaxes_is_one_picture() -> None:
    names = ["cornerstoneWADOImageLoader__CT1_J2KR", "dicomParser__CT1_UNC.explicit_big_endian.dcm",
             "dicomParser__CT1_UNC.fragmented_bot_jpeg_ls.80.dcm", "fo-dicom__D_CLUNIE_CT1_RLE_FRAGS.dcm"]  # fmt: skip
    pictures = [read_slice((FOLDER / "odd" / name).read_bytes()).stored for name in names]
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


@real_files
@pytest.mark.parametrize("series", [GE, PHILIPS])
def test_every_slice_of_the_head_series_is_kept_without_a_flag(series: str) -> None:
    kept = {path.name: outcome(path, frozenset({"CT"})) for path in (FOLDER / series).iterdir()}
    assert kept.pop("DIRFILE", "modality") == "modality"
    assert len(kept) == 28
    for name, slice_ in kept.items():
        assert isinstance(slice_, DicomSlice)
        assert slice_.flags == ()
        assert not slice_.intercept_repaired
        assert_values_agree(slice_, manifest()[f"{series}/{name}"], None)


@real_files
def test_the_tilted_series_is_ordered_along_its_normal_with_its_three_spacings() -> None:
    slices = [read_slice(path.read_bytes()) for path in sorted((FOLDER / GE).iterdir())]
    along = position_along_normal(
        np.array([slice_.position for slice_ in slices]), np.array([slice_.orientation for slice_ in slices])
    )
    spacings = np.abs(np.diff(np.sort(along)))
    assert {float(value) for value in spacings.round(1)} == {4.0, 1.1, 7.0}


@real_files
def test_the_invented_name_in_a_header_is_in_no_message() -> None:
    data = (FOLDER / "odd" / "deid-data__ctbrain1.dcm").read_bytes()
    for cut in (len(data), len(data) // 2, 2000, 1000):
        with pytest.raises(Refused) as caught:
            read_slice(data[:cut])
        assert caught.value.__cause__ is None
        assert not any(word in caught.value.message.upper() for word in ("SIMPSON", "HOMER", "SPRINGFIELD"))


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.glob("*.dcm")))
def test_a_file_that_pydicom_ships_reads_as_pydicom_reads_it_or_is_refused(name: str) -> None:
    data = (SHIPPED / name).read_bytes()
    try:
        slice_ = read_slice(data, modalities=ANY_IMAGE)
    except Refused as refused:
        assert refused.code in REFUSALS
        return
    assert set(slice_.flags) <= set(FLAGS)
    header = read_header(data)
    stored, _ = read_pixels(header, find_pixels(header), read_pixel_format(header))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(stored, pydicom.dcmread(SHIPPED / name).pixel_array)
