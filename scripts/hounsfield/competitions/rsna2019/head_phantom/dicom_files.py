"""The phantom's DICOM files: the elements that the competition's files hold and no other, its names and its faults."""

from __future__ import annotations

from typing import Any

import numpy as np

from hounsfield.core.phantom_kit.ct_scanner import slice_geometry
from hounsfield.core.phantom_kit.dicom_writer import Storage, dicom_file
from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.seeds import scrambled_number

from .plans import PatientPlan, SeriesPlan

PADDING = -2000  # stored value outside the circular field of view
SERIES_BITS, SLICE_BITS = 2, 8  # of a slice's number, which has 36; the patient has the other 26
SLICE_NAMES, PATIENT_NAMES, STUDY_NAMES, SERIES_NAMES = range(4)  # name spaces of the identifiers


def identifier(seed: int, name_space: int, number: int) -> str:
    """`ID_` and nine hexadecimal digits: different for every number, in no visible order. number: below 2^36."""
    return f"ID_{scrambled_number(seed, name_space, number):09x}"


def slice_id(plan: PatientPlan, series: SeriesPlan, index: int) -> str:
    """The SOP Instance UID and file stem of slice `index` of a series."""
    number = ((plan.patient << SERIES_BITS | series.number) << SLICE_BITS) | index
    return identifier(plan.seed, SLICE_NAMES, number)


def dicom_bytes(plan: PatientPlan, series: SeriesPlan, index: int, hu: Array, truncated: bool = False) -> bytes:
    """Slice `index` of a series as a DICOM file. hu: (rows, columns); truncated: its pixel data are cut short.

    A series with a wrong intercept stores HU modulo 4096 in 12 bits and states an intercept near 0. Adding 1000,
    subtracting 4096 where the sum is 4096 or more, and using -1000 as the intercept gives HU again, for -1000 to 3095.
    """
    if series.wrong_intercept:
        hu, storage = np.clip(hu, -1000, 3095), Storage(bits=12, signed=False)
    else:
        storage = Storage(offset=1024, padding=PADDING if series.padded else None)
    return dicom_file(hu, storage, _elements(plan, series, index), truncated=truncated)


def _elements(plan: PatientPlan, series: SeriesPlan, index: int) -> dict[str, Any]:
    pixel = series.pixel * 512 / plan.size
    return {
        "SOPInstanceUID": slice_id(plan, series, index),
        "Modality": "CT",
        "PatientID": identifier(plan.seed, PATIENT_NAMES, plan.patient),
        "StudyInstanceUID": identifier(plan.seed, STUDY_NAMES, plan.patient << SERIES_BITS | series.study),
        "SeriesInstanceUID": identifier(plan.seed, SERIES_NAMES, plan.patient << SERIES_BITS | series.number),
        "StudyID": "",
        **slice_geometry(plan.size, pixel, series.heights, index, tilt=series.tilt, table=series.table),
        "WindowCenter": ["40", "600"] if series.many_windows else "40",
        "WindowWidth": ["80", "2800"] if series.many_windows else "80",
        "RescaleIntercept": str(plan.patient % 2) if series.wrong_intercept else "-1024",
        "RescaleSlope": "1",
    }
