"""Of a Manufacturer no more is kept than which of a few it names."""

from __future__ import annotations

import pandas as pd
import pytest

import dicom_files
from chest_films import chest, film_file
from hounsfield.core.dicom.films import read_film
from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.dicom.vendors import OTHER, vendor_of, vendors_in_words


@pytest.mark.parametrize(
    ("text", "vendor"),
    [
        ("SIEMENS", "Siemens"), ("Siemens Healthineers", "Siemens"), ("GE MEDICAL SYSTEMS", "GE"), ("G.E.", OTHER),
        ("General Electric Co.", "GE"), ("GE_HEALTHCARE", "GE"), ("Philips Medical Systems", "Philips"),
        ("TOSHIBA", "Canon"), ("CANON_MEC", "Canon"), ("Hitachi Medical Corporation", "Fujifilm"),
        ("FUJIFILM Corporation", "Fujifilm"), ("KONICA MINOLTA", "Konica Minolta"), ("Imaging Dynamics", OTHER),
        ("Geneva Hospital, Dr. Smith", OTHER), ("", ""), ("   ", ""), ("\x1b[2J", OTHER),
    ],
)  # fmt: skip
def test_a_manufacturer_is_one_of_few_names_and_never_the_header_s_text(text: str, vendor: str) -> None:
    assert vendor_of(text) == vendor


def test_slices_and_films_are_read_with_who_made_the_device() -> None:
    assert read_slice(dicom_files.ct_file(Manufacturer="GE MEDICAL SYSTEMS")).vendor == "GE"
    assert read_slice(dicom_files.ct_file(Manufacturer=None)).vendor == ""
    assert read_film(film_file(chest(), Manufacturer="Quijano's own")).vendor == OTHER


def test_what_an_older_version_did_not_record_is_told_apart_from_what_no_header_says() -> None:
    told = vendors_in_words(pd.Series(["GE", "", None]))
    assert told.tolist() == ["GE", "not named in the header", "not recorded by an older version"]
