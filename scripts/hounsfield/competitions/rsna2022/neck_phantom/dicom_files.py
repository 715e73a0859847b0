"""The phantom's DICOM files: the elements that the competition's files hold, and its names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hounsfield.core.phantom_kit.ct_scanner import slice_geometry
from hounsfield.core.phantom_kit.dicom_writer import Storage, dicom_file
from hounsfield.core.phantom_kit.seeds import scrambled_number

from .plans import StudyPlan
from .recipe import MOST_STUDIES

ROOT = "1.2.826.0.1.3680043"
STUDIES = 0  # name space of the identifiers
STORAGE = Storage(offset=1024)


def study_number(plan: StudyPlan) -> int:
    """The last part of a study's name: 1 and up, different for every study, in no visible order."""
    return scrambled_number(plan.seed, STUDIES, plan.number, MOST_STUDIES.bit_length() - 1) + 1


def study_uid(plan: StudyPlan) -> str:
    """The study's name."""
    return f"{ROOT}.{study_number(plan)}"


def file_heights(plan: StudyPlan) -> list[float]:
    """Heights of the slices in the order of their files' numbers, mm."""
    return [float(plan.heights[i]) for i in np.argsort(plan.numbers)]


def geometry(plan: StudyPlan, number: int) -> dict[str, list[float]]:
    """Where the slice of a file lies, as DICOM elements. number: of its file, from 1."""
    return slice_geometry(plan.size, plan.pixel, file_heights(plan), number - 1, tilt=0.0, table=plan.table)


def dicom_bytes(plan: StudyPlan, number: int, hu: NDArray[np.int16]) -> bytes:
    """A slice as a DICOM file. number: of the file, from 1; hu: (rows, columns)."""
    name = study_uid(plan)
    elements: dict[str, Any] = {
        "SOPInstanceUID": f"{name}.1.{number}",
        "Modality": "CT",
        "SliceThickness": round(float(-np.diff(plan.heights).mean()), 4),
        "PatientID": str(study_number(plan)),
        "PatientName": str(study_number(plan)),
        "StudyInstanceUID": name,
        "SeriesInstanceUID": f"{name}.1",
        "InstanceNumber": str(number),
        **geometry(plan, number),
        "WindowCenter": "400",
        "WindowWidth": "1800",
        "RescaleIntercept": str(-STORAGE.offset),
        "RescaleSlope": "1",
    }
    return dicom_file(np.asarray(hu, np.float32), STORAGE, elements)
