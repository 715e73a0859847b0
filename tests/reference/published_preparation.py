"""The published preparation, written plainly: a pass over the headers, and a second one over the same files."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pydicom

from reference.windows import three_windows

NOT_METADATA = ("PixelData", "Rows", "Columns")


def published_metadata(path: Path) -> dict[str, str]:
    """Every header element but pixel data, rows and columns, as text by keyword."""
    dataset = pydicom.dcmread(path)
    metadata = {}
    for element in dataset:
        if element.keyword not in NOT_METADATA:
            metadata[element.keyword] = str(element.value)
    return metadata


def published_image(path: Path) -> np.ndarray:
    """(rows, columns, 3) uint8: brain, subdural, bone."""
    dataset = pydicom.dcmread(path)
    hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    return three_windows(hu)


def published_prepare(path: Path, images: Path) -> str:
    """Write `<stem>.jpg` into `images` and return the slice's metadata as one line of CSV."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the identifiers are no valid UIDs
        metadata = published_metadata(path)
        image = published_image(path)
    cv2.imwrite(str(images / f"{path.stem}.jpg"), image)
    return ",".join(metadata.values())
