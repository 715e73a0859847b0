"""CT slices read again from the files that they were prepared from: the same values, in the same view.

N slices of a series, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.dicom.stacks import ORIENTATION
from hounsfield.core.errors import BadInput, Refused
from hounsfield.core.imaging.geometry import edge_letters
from hounsfield.core.imaging.series_view import HOUNSFIELD, SeriesPixels
from hounsfield.core.intake.archives import SourceFile

NOT_AS_PREPARED = "not_as_prepared"
SPACINGS = ("row_spacing_mm", "column_spacing_mm")
SERIES_COLUMNS = ("hu_mean", "intercept_repaired", "normal_mm", *ORIENTATION, *SPACINGS)
INT16 = np.iinfo(np.int16)


def read_as_prepared(content: bytes, hu_mean: float, *, intercept_repaired: bool) -> DicomSlice:
    """Read a slice whose mean was `hu_mean` when it was prepared; its intercept is repaired where it was then.

    Raises Refused where it holds other values.
    """
    slice_ = read_slice(content, repair_intercept=intercept_repaired)
    mean = float(slice_.stored.mean()) * slice_.slope + slice_.intercept
    if not math.isclose(mean, hu_mean, rel_tol=1e-5, abs_tol=1e-2):
        message = f"its mean is {mean:.2f} HU, and was {hu_mean:.2f} when it was prepared; prepare it again"
        raise Refused(NOT_AS_PREPARED, message)
    return slice_


def series_pixels(files: Sequence[SourceFile], slices: pd.DataFrame, *, remedy: str) -> SeriesPixels:
    """The pixels of one series in Hounsfield units, rounded, turned and sized as the stages see them.

    slices: N rows of SERIES_COLUMNS, and the file of each. remedy: the command that prepares them, for the error.
    Raises BadInput where a file does not hold what was prepared.
    """
    pictures = []
    for file, mean, repaired in zip(files, slices["hu_mean"], slices["intercept_repaired"], strict=True):
        try:
            slice_ = read_as_prepared(file.read(), mean, intercept_repaired=bool(repaired))
        except Refused as refused:
            raise BadInput(f"{file.container}/{file.label}: {refused.message}: {remedy}") from refused
        hu = slice_.stored * slice_.slope + slice_.intercept
        pictures.append(np.rint(hu.clip(INT16.min, INT16.max)).astype(np.int16))
    first = slices.iloc[0]
    orientation, spacing = first[list(ORIENTATION)].to_numpy(float), first[list(SPACINGS)].to_numpy(float)
    return SeriesPixels(
        values=np.stack(pictures),
        unit=HOUNSFIELD,
        positions_mm=slices["normal_mm"].to_numpy(float),
        pixel_mm=None if np.isnan(spacing).any() else (float(spacing[0]), float(spacing[1])),
        letters=None if np.isnan(orientation).any() else edge_letters(orientation.tolist()),
    )
