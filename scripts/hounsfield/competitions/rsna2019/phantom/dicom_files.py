"""Header and bytes of the phantom's DICOM files: the elements that the competition's files hold, and no other."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from .grid import Array
from .plans import PatientPlan, SeriesPlan

PADDING = -2000  # stored value outside the circular field of view
ID_BITS = 36  # nine hexadecimal digits
SERIES_BITS, SLICE_BITS = 2, 8  # of a slice's number; the patient has the other 26
IMPLEMENTATION = "1.2.826.0.1.3680043.8.498.1"


def scrambled_id(seed: int, name_space: int, number: int) -> str:
    """`ID_` and nine hexadecimal digits: different for every number, in no visible order. number: below 2^36.

    Each round is a bijection on 36 bits (an odd factor, then a shift folded in), so two numbers never share an ID.
    """
    rng = np.random.default_rng([seed, 9, name_space])
    mask = (1 << ID_BITS) - 1
    for _ in range(4):
        number = (number * (int(rng.integers(1 << 34)) * 2 + 1) + int(rng.integers(1 << ID_BITS))) & mask
        number ^= number >> 17
    return f"ID_{number:09x}"


def slice_id(plan: PatientPlan, series: SeriesPlan, index: int) -> str:
    """The SOP Instance UID and file stem of slice `index` of a series."""
    number = ((plan.patient << SERIES_BITS | series.number) << SLICE_BITS) | index
    return scrambled_id(plan.seed, 0, number)


def stored_values(hu: Array, plan: SeriesPlan) -> NDArray[np.int16] | NDArray[np.uint16]:
    """HU (rows, columns) as the file stores them.

    A wrong-intercept series stores HU modulo 4096 in 12 bits and states an intercept near 0. Adding 1000, subtracting
    4096 from what is then 4096 or more, and using -1000 as the intercept gives HU again, for -1000 to 3095.
    """
    whole = np.rint(hu).astype(np.int32)
    if plan.wrong_intercept:
        return (np.clip(whole, -1000, 3095) % 4096).astype(np.uint16)
    stored = whole + 1024
    if plan.padded:
        middle = (np.array(hu.shape) - 1) / 2
        row, column = np.ogrid[: hu.shape[0], : hu.shape[1]]
        stored[(row - middle[0]) ** 2 + (column - middle[1]) ** 2 > (hu.shape[0] / 2) ** 2] = PADDING
    return stored.astype(np.int16)


def dicom_bytes(plan: PatientPlan, series: SeriesPlan, index: int, hu: Array, truncated: bool = False) -> bytes:
    """One slice as a DICOM file; truncated: its pixel data end after about a third."""
    with warnings.catch_warnings():
        # The competition's ID_... strings are not valid UIDs, and the phantom has to hold the same.
        warnings.filterwarnings("ignore", message="Invalid value for VR UI")
        dataset = _header(plan, series, index)
        pixels = stored_values(hu, series).tobytes()
        dataset.add_new("PixelData", "OW", pixels[: len(pixels) // 3 // 2 * 2] if truncated else pixels)
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _header(plan: PatientPlan, series: SeriesPlan, index: int) -> FileDataset:
    image_id = slice_id(plan, series, index)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(image_id)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPInstanceUID = image_id
    dataset.Modality = "CT"
    dataset.PatientID = scrambled_id(plan.seed, 1, plan.patient)
    dataset.StudyInstanceUID = scrambled_id(plan.seed, 2, plan.patient << SERIES_BITS | series.study)
    dataset.SeriesInstanceUID = scrambled_id(plan.seed, 3, plan.patient << SERIES_BITS | series.number)
    dataset.StudyID = ""
    _add_geometry(dataset, plan, series, index)
    _add_pixel_facts(dataset, plan, series)
    return dataset


def _add_geometry(dataset: Dataset, plan: PatientPlan, series: SeriesPlan, index: int) -> None:
    """Position of the first pixel in mm and direction of rows and columns; a tilted gantry leans the slices back."""
    pixel = round(series.pixel * 512 / plan.size, 6)
    half = pixel * (plan.size - 1) / 2
    tilt = np.deg2rad(series.tilt)
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    from_first = series.heights[index] - series.heights[0]
    # The table moves along z; the slice's own height above the last one is spacing along its normal.
    first = np.array([-half, -cos * half, series.heights[0] + from_first / cos + sin * half]) + series.table
    dataset.ImagePositionPatient = [round(float(value), 6) for value in first]
    dataset.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, round(cos, 6), round(-sin, 6)]
    dataset.PixelSpacing = [pixel, pixel]


def _add_pixel_facts(dataset: Dataset, plan: PatientPlan, series: SeriesPlan) -> None:
    wrong = series.wrong_intercept
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = plan.size
    dataset.Columns = plan.size
    dataset.BitsAllocated = 16
    dataset.BitsStored = 12 if wrong else 16
    dataset.HighBit = 11 if wrong else 15
    dataset.PixelRepresentation = 0 if wrong else 1
    dataset.WindowCenter = ["40", "600"] if series.many_windows else "40"
    dataset.WindowWidth = ["80", "2800"] if series.many_windows else "80"
    dataset.RescaleIntercept = str(plan.patient % 2) if wrong else "-1024"
    dataset.RescaleSlope = "1"
