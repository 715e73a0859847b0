"""Tables of files for the tests of grouping: one row per file, as preparation makes them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.dicom.series import GROUPING_COLUMNS, group_files
from hounsfield.core.dicom.stacks import ORIENTATION, POSITION

AXIAL = (1.0, 0, 0, 0, 1, 0)
MIRRORED = (-1.0, 0, 0, 0, 1, 0)
CORONAL = (1.0, 0, 0, 0, 0, -1)
SAGITTAL = (0.0, 1, 0, 0, 0, -1)
LOSSLESS, LOSSY = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
_pictures = count(1)


def tilted(degrees: float) -> tuple[float, ...]:
    """The orientation of slices that a gantry tilts."""
    tilt = np.radians(degrees)
    return (1.0, 0, 0, 0, float(np.cos(tilt)), float(-np.sin(tilt)))


def slices(places: Sequence[float], orientation: Sequence[float] = AXIAL, **columns: Any) -> pd.DataFrame:
    """A series with one slice per place (z in mm), each another picture. columns: in place of the plain ones."""
    number = len(places)
    plain: dict[str, Any] = {
        "path": [f"s/IM{n}" for n in range(1, number + 1)],
        "patient_id": "P", "study_uid": "St", "series_uid": "Se", "frame_of_reference": "F",
        "instance_number": np.arange(1.0, number + 1), "acquisition_number": 1.0, "slice_location_mm": np.nan,
        "rows": 512, "columns": 512, "row_spacing_mm": 0.5, "column_spacing_mm": 0.5, "transfer_syntax": LOSSLESS,
        "sop_number": [next(_pictures) for _ in places], "pixel_number": [next(_pictures) for _ in places], "flags": "",
        "x_mm": -120.0, "y_mm": -120.0, "z_mm": np.array(places, float),
    }  # fmt: skip
    table = pd.DataFrame({**plain, **dict(zip(ORIENTATION, orientation, strict=True)), **columns}, index=range(number))
    return table[list(GROUPING_COLUMNS)]


def together(*tables: pd.DataFrame) -> pd.DataFrame:
    """Several tables as one."""
    return pd.concat(tables, ignore_index=True)


def without_position(table: pd.DataFrame, rows: Any = slice(None)) -> pd.DataFrame:
    """The same files, some of which (by label) have lost their position."""
    table = table.copy()
    table.loc[rows, list(POSITION)] = np.nan
    return table


def stacks_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """The paths of every stack, by its name, in order."""
    kept, _ = group_files(table)
    kept = kept.sort_values(["series_uid", "normal_mm", "instance_number", "name_rank"])
    return {str(name): paths.tolist() for name, paths in kept.groupby("series_uid")["path"]}


def flags_of(table: pd.DataFrame) -> dict[str, str]:
    """The flags of every file that is used, by path."""
    kept, _ = group_files(table)
    return dict(zip(kept["path"], kept["flags"], strict=True))


def refused_of(table: pd.DataFrame) -> dict[str, str]:
    """The reasons of the files that are not used, by path."""
    _, refused = group_files(table)
    return dict(zip(refused["path"], refused["reason"], strict=True))
