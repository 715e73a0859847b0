"""The phantom's DICOM files: the elements that the competition's files hold, its names, and how pixels are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.uid import ComputedRadiographyImageStorage

from hounsfield.core.phantom_kit.dicom_writer import Storage, dicom_file
from hounsfield.core.phantom_kit.grid import Array
from hounsfield.core.phantom_kit.seeds import scrambled_number

from .plans import FilmPlan, PatientPlan

ROOT = "1.2.276.0.7230010.3.1"  # as in the competition's first stage
FILM_BITS = 4  # of a film's number, which has 36; the patient has the others
FILMS, STUDIES, SERIES, PATIENTS, STAGE_2 = range(5)  # name spaces of the identifiers
WINDOW_12 = (2048, 4096)  # of 12-bit films that state one
LOWEST_12, SPAN_12 = 180, 3700  # stored values between which a 12-bit film's grey levels lie


def uid(plan: PatientPlan, name_space: int, number: int) -> str:
    """A UID: different for every number, in no visible order."""
    scrambled = scrambled_number(plan.seed, name_space, plan.patient << FILM_BITS | number)
    return f"{ROOT}.{name_space + 2}.8323329.{scrambled >> 18}.{scrambled & (1 << 18) - 1}"


def film_name(plan: PatientPlan, film: FilmPlan, stage: int) -> str:
    """A film's identifier: a UID in the first stage, `ID_` and nine hexadecimal digits in the second one's test set."""
    if stage == 1:
        return uid(plan, FILMS, film.number)
    return f"ID_{scrambled_number(plan.seed, STAGE_2, plan.patient << FILM_BITS | film.number):09x}"


def folder(plan: PatientPlan, film: FilmPlan) -> str:
    """<study>/<series>: each film has its own."""
    return f"{uid(plan, STUDIES, film.number)}/{uid(plan, SERIES, film.number)}"


def dicom_bytes(plan: PatientPlan, film: FilmPlan, grey: Array) -> bytes:
    """A film as a DICOM file. grey: (size, size), 0 (black) to 1 (white), bone bright.

    8 bits hold 0 to 255. 12 bits hold the part of the range that a detector gives, unsigned, and every other one
    states a window. MONOCHROME1 stores the darkest pixel as the highest value.
    """
    value = np.rint(grey * 255) if film.bits == 8 else np.rint(LOWEST_12 + SPAN_12 * grey)
    if film.inverted:
        value = 2**film.bits - 1 - value
    return dicom_file(
        value, Storage(bits=film.bits, signed=False), _elements(plan, film), sop_class=ComputedRadiographyImageStorage
    )


def _elements(plan: PatientPlan, film: FilmPlan) -> dict[str, Any]:
    center = WINDOW_12[0] - 1 if film.inverted else WINDOW_12[0]
    window = {"WindowCenter": str(center), "WindowWidth": str(WINDOW_12[1])}
    return {
        "SOPInstanceUID": uid(plan, FILMS, film.number),
        "Modality": "CR",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA" if film.erect else "AP",
        "ConversionType": "WSD",
        "PatientID": f"{scrambled_number(plan.seed, PATIENTS, plan.patient):09x}",
        "StudyInstanceUID": uid(plan, STUDIES, film.number),
        "SeriesInstanceUID": uid(plan, SERIES, film.number),
        "PhotometricInterpretation": "MONOCHROME1" if film.inverted else "MONOCHROME2",
        "PixelSpacing": [round(film.field / plan.size, 6)] * 2,
        **(window if film.bits == 12 and film.number % 2 == 0 else {}),
    }
