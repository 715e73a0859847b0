"""Which objects are CT in Hounsfield units: by modality, SOP class, image type and unit, refused by name otherwise."""

from __future__ import annotations

import pytest

import dicom_files as files
from dicom_files import refusal
from hounsfield.core.dicom.reader import read_slice

STORAGE = "1.2.840.10008.5.1.4.1.1"


@pytest.mark.parametrize("sop_class", [f"{STORAGE}.2", None, ""])
def test_ct_image_storage_and_a_stripped_sop_class_are_read(sop_class: str | None) -> None:
    assert read_slice(files.ct_file(SOPClassUID=sop_class)).flags == ()


@pytest.mark.parametrize("sop_class", ["1.3.46.670589.5.0.1", "ID_0123456789", "1.2.840.10008.x"])
def test_a_private_sop_class_is_read_and_flagged(sop_class: str) -> None:
    assert read_slice(files.ct_file(SOPClassUID=sop_class)).flags == ("sop_class_unknown",)


@pytest.mark.parametrize(
    ("sop_class", "code", "named"),
    [
        (f"{STORAGE}.7", "secondary_capture", "Secondary Capture"),
        (f"{STORAGE}.7.2", "secondary_capture", "Secondary Capture"),
        (f"{STORAGE}.2.1", "multi_frame", "enhanced"),
        (f"{STORAGE}.4", "sop_class", "MR Image Storage"),
        (f"{STORAGE}.30", "sop_class", "Parametric Map Storage"),
        (f"{STORAGE}.88.67", "sop_class", "X-Ray Radiation Dose SR Storage"),
        (f"{STORAGE}.999", "sop_class", f"{STORAGE}.999"),
    ],
)
def test_another_sop_class_of_modality_ct_is_refused_by_name(sop_class: str, code: str, named: str) -> None:
    refused = refusal(files.ct_file(SOPClassUID=sop_class))
    assert (refused.code, named in refused.message) == (code, True)


@pytest.mark.parametrize(
    "elements",
    [
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
        {"ImageType": ["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"]},
        {"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]},
        {"SeriesDescription": "Dose Report"},
        {"SeriesDescription": "PATIENT_PROTOCOL"},
        {"SeriesDescription": "Screen Save"},
    ],
)
def test_a_dose_page_or_a_screen_among_ct_images_is_refused(elements: dict[str, object]) -> None:
    assert refusal(files.ct_file(**elements)).code == "report_page"


@pytest.mark.parametrize(
    "words", ["HEAD LOW DOSE", "PROTOCOL TRAUMA", "Reported outside", "BRAIN SEQ 4.8 H31s", "CT_SOM5 SEQ"]
)
def test_a_series_that_mentions_a_dose_or_a_protocol_is_a_series_of_slices(words: str) -> None:
    data = files.ct_file(SeriesDescription=words, ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SEQ"])
    assert read_slice(data).flags == ()


@pytest.mark.parametrize("value", ["RCBF", "CBV", "TMAX", "MAT_SPECIFIC", "ELECTRON_DENSITY"])
def test_a_map_is_refused_by_its_image_type_also_where_it_states_no_unit(value: str) -> None:
    assert refusal(files.ct_file(ImageType=["DERIVED", "SECONDARY", "PERFUSION", value])).code == "parametric_map"


@pytest.mark.parametrize("value", ["PERFUSION", "VMI", "MPR", "AXIAL", "NORMAL"])
def test_the_slices_that_a_map_is_made_of_are_read(value: str) -> None:
    assert read_slice(files.ct_file(ImageType=["DERIVED", "SECONDARY", value])).flags == ()


@pytest.mark.parametrize("unit", ["HU", "hu ", "Hounsfield", None, ""])
def test_hounsfield_units_are_read_also_where_they_are_only_meant(unit: str | None) -> None:
    assert read_slice(files.ct_file(RescaleType=unit)).flags == ()


@pytest.mark.parametrize(
    ("unit", "named"), [("MGML", "MGML"), ("US", "US"), ("Z_EFF", "Z_EFF"), ("SIMPSON", "another unit")]
)
def test_another_unit_is_refused_by_name_and_free_text_is_not(unit: str, named: str) -> None:
    refused = refusal(files.ct_file(RescaleType=unit))
    assert (refused.code, named in refused.message) == ("rescale_type", True)
    assert "SIMPSON" not in refused.message


def test_a_film_may_be_a_secondary_capture_of_any_unit() -> None:
    film = files.ct_file(Modality="CR", SOPClassUID=f"{STORAGE}.7", RescaleType="US")
    assert read_slice(film, modalities=frozenset({"CR"})).flags == ()
