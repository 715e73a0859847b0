"""Preparation as published, from the specification of the 2nd-place system, section 1.

    1. One metadata row a slice, every header element but pixel data, rows and columns. The original reads each
       file twice and builds CSV text
    2. HU = raw * slope + intercept. [three windows] Array order is [row, column, channel] with channels brain,
       subdural, bone; the original hands this array to an encoder that takes B, G, R.
       Saved as JPEG (OpenCV's default quality 95), `data/proc/<Image>.jpg`
    3. slices pivoted to one row an image (sorted by `Image`), merged with `PatientID`.
       A patient's fold is the row number of its first slice in that table, modulo 5.

A picture by hand. Two by two stored values 527 and 537 over 557 and 12, slope 2, intercept -1024, are 30 and 50
HU over 90 and -1000 (air). Air is the darkest in each window, at 0, so nothing more is subtracted:

    HU          30                      50                      90
    brain       30/80  x 255 =  95.6    50/80  x 255 = 159.4    1       x 255 = 255
    subdural    50/200 x 255 =  63.8    70/200 x 255 =  89.2    110/200 x 255 = 140.2
    bone       180/380 x 255 = 120.8   200/380 x 255 = 134.2    240/380 x 255 = 161.1

>>> windowed(np.array([[527, 537], [557, 12]]), slope=2, intercept=-1024).tolist()
[[[95, 63, 120], [159, 89, 134]], [[255, 140, 161], [0, 0, 0]]]

Folds by hand: eight slices of six patients, given out of order. In order of Image the patients are
p, q, p, r, s, t, u, t, whose first rows are 0 (p), 1 (q), 3 (r), 4 (s), 5 (t), 6 (u): modulo 5, 0 1 3 4 0 1.

>>> published_folds(["ID_7", "ID_0", "ID_1", "ID_2", "ID_3", "ID_4", "ID_5", "ID_6"],
...                 ["t", "p", "q", "p", "r", "s", "t", "u"])
{'p': 0, 'q': 1, 'r': 3, 's': 4, 't': 0, 'u': 1}
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pydicom

from reference.windows import three_windows


def windowed(stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """stored: (rows, columns) raw values of a file. Returns (rows, columns, 3) uint8."""
    return three_windows(stored * slope + intercept)


def published_metadata(path: Path) -> dict[str, str]:
    """Every header element's text by its keyword, but those of the pixel data, rows and columns."""
    header = pydicom.dcmread(path)
    texts = {}
    for element in header:
        if element.keyword not in ("PixelData", "Rows", "Columns"):
            texts[element.keyword] = str(element.value)
    return texts


def published_image(path: Path) -> np.ndarray:
    """(rows, columns, 3) uint8: the three windows of a file."""
    file = pydicom.dcmread(path)
    return windowed(file.pixel_array, float(file.RescaleSlope), float(file.RescaleIntercept))


def published_prepare(path: Path, images: Path) -> str:
    """Write `images`/<Image>.jpg of the slice at `path`. Returns its line of the metadata as CSV text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # identifiers of this data set are not valid DICOM UIDs
        texts = published_metadata(path)
        cv2.imwrite(str(images / f"{path.stem}.jpg"), published_image(path))
    return ",".join(f'"{text}"' for text in texts.values())


def published_folds(images: Sequence[str], patients: Sequence[str]) -> dict[str, int]:
    """images, patients: one per slice, in any order. Returns each patient's fold."""
    folds: dict[str, int] = {}
    for row, (_, patient) in enumerate(sorted(zip(images, patients, strict=True))):
        if patient not in folds:
            folds[patient] = row % 5
    return folds
