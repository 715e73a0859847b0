"""Series of the neck as DICOM files, and segmentations as NIfTI files, small, for tests.

Slices are 24 x 20 pixels of 2 mm; slice s of a series, from the head, has the value 10 s in its first pixel.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from dicom_files import ct_file
from hounsfield.competitions.rsna2022.labels import NAMES, VERTEBRAE

ROWS, COLUMNS = 24, 20
PIXEL_MM, STEP_MM = 2.0, 3.0
CORNER = (-20.0, -24.0)  # mm, of the first pixel: x to the left, y to the back
TOP_MM = 100.0  # of the slice nearest to the head


def slice_hu(number: int, seed: int = 0) -> np.ndarray:
    """One slice, (ROWS, COLUMNS) int16: soft tissue in air, and something that differs from slice to slice."""
    hu = np.full((ROWS, COLUMNS), -1000, np.int16)
    hu[2:-2, 2:-2] = 40
    hu[5:9, 5:9] = 300 + 10 * number + seed
    hu[0, 0] = 10 * number
    return hu


def neck(
    count: int,
    study: str = "1.2.1",
    *,
    patient: str | None = None,
    series: str = "1",
    rising: bool = False,
    step: float = STEP_MM,
    seed: int = 0,
    **elements: Any,
) -> dict[int, bytes]:
    """The files of a series by number, 1 to `count`. rising: numbers rise to the head; else to the feet.

    elements: of the headers, in place of the plain ones; None takes one away.
    """
    files = {}
    for s in range(count):
        number = count - s if rising else s + 1
        plain = {
            "PatientID": f"P{study}" if patient is None else patient,
            "StudyInstanceUID": study,
            "SeriesInstanceUID": f"{study}.{series}",
            "SOPInstanceUID": f"{study}.{series}.{number}",
            "FrameOfReferenceUID": f"{study}.9",
            "BodyPartExamined": "CSPINE",
            "InstanceNumber": number,
            "ImagePositionPatient": [*CORNER, TOP_MM - step * s],
            "PixelSpacing": [PIXEL_MM, PIXEL_MM],
        }
        files[number] = ct_file(slice_hu(s, seed) + np.int16(1024), **{**plain, **elements})
    return files


def labels_csv(labels: Mapping[str, Sequence[object]]) -> str:
    """train.csv of some studies: patient_overall, C1 to C7 each."""
    rows = [f"{study},{','.join(map(str, row))}" for study, row in labels.items()]
    return "\n".join([f"StudyInstanceUID,{','.join(NAMES)}", *rows, ""])


def fractured(*vertebrae: str) -> list[int]:
    """A study's labels, with fractures of these vertebrae."""
    return [int(bool(vertebrae)), *(int(name in vertebrae) for name in VERTEBRAE)]


def write_files(place: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write files by name into a zip where `place` ends in .zip, else into a folder; returns `place`."""
    contents = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    if place.suffix == ".zip":
        place.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(place, "w") as archive:
            for name, data in contents.items():
                archive.writestr(name, data)
        return place
    for name, data in contents.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def study_files(folder: str, study: str, files: Mapping[int, bytes]) -> dict[str, bytes]:
    """A study's files by name, as the archive has them. folder: train_images or test_images."""
    return {f"{folder}/{study}/{number}.dcm": data for number, data in files.items()}


def nifti(labels: np.ndarray, affine: np.ndarray) -> bytes:
    """A segmentation's file. labels: (X, Y, Z)."""
    return nibabel.Nifti1Image(labels, affine).to_bytes()


def usual_nifti(labels: np.ndarray, step: float = STEP_MM) -> bytes:
    """A segmentation as the competition has them: x to the left, y to the front, z to the head.

    labels: (slices, ROWS, COLUMNS) uint8, from head to feet, of a series that `neck` made.
    """
    stored = labels[::-1, ::-1].transpose(2, 1, 0)  # columns, rows from the front last, slices from the feet
    bottom = TOP_MM - step * (len(labels) - 1)
    affine = np.diag([-PIXEL_MM, PIXEL_MM, step, 1.0])
    affine[:3, 3] = [-CORNER[0], -(CORNER[1] + PIXEL_MM * (ROWS - 1)), bottom]
    return nifti(np.ascontiguousarray(stored), affine)


def vertebrae_labels(count: int) -> np.ndarray:
    """Labels of a series, (count, ROWS, COLUMNS) uint8: C1 to C7 one below the other, and T1 (8) at the feet."""
    labels = np.zeros((count, ROWS, COLUMNS), np.uint8)
    for s in range(1, count):
        labels[s, 6 : 8 + s % 3, 5:11] = 1 + (s - 1) * 8 // (count - 1)
    return labels


def small_archive() -> dict[str, bytes | str]:
    """Four training studies, two of them fractured and one segmented, and a test study; numbers run either way.

    The headers of the third name another study than its folder does.
    """
    names = [f"1.2.{n}" for n in range(1, 6)]
    files: dict[str, bytes | str] = {}
    for n, study in enumerate(names):
        series = neck(9, study, rising=n % 2 == 1, seed=n, **({"StudyInstanceUID": "9.9.9"} if n == 2 else {}))
        files |= study_files("train_images" if n < 4 else "test_images", study, series)
    rows = {names[0]: fractured("C2", "C7"), names[1]: fractured(), names[2]: fractured("C5"), names[3]: fractured()}
    files["train.csv"] = labels_csv(rows)
    files["test.csv"] = "row_id,StudyInstanceUID,prediction_type\n" + "".join(
        f"{names[4]}_{name},{names[4]},{name}\n" for name in NAMES
    )
    files["sample_submission.csv"] = "row_id,fractured\n" + "".join(f"{names[4]}_{name},0.5\n" for name in NAMES)
    files["train_bounding_boxes.csv"] = "StudyInstanceUID,x,y,width,height,slice_number\n"
    files[f"segmentations/{names[0]}.nii"] = usual_nifti(vertebrae_labels(9))
    return files
