"""What one pass over a CT slice says of it beside its picture: the columns that grouping and ordering rest on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from hounsfield.core.dicom.reader import DicomSlice
from hounsfield.core.dicom.stacks import ORIENTATION, POSITION
from hounsfield.core.intake.pseudonyms import Naming

PLACE_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("patient_id", pa.string()),
    ("study_uid", pa.string()),
    ("series_uid", pa.string()),
    ("patient_order", pa.int64()),  # as Naming hides it: the same order of patients under any key
    ("sop_number", pa.int64()),  # 48 bits of the SOPInstanceUID's digest, 0 where absent: equal ones are seen to be
    *((name, pa.float64()) for name in (*POSITION, *ORIENTATION)),
    ("instance_number", pa.int64()),
    ("acquisition_number", pa.int64()),
    ("frame_of_reference", pa.string()),  # what lies in one coordinate system; "" where absent
    ("slice_location_mm", pa.float64()),
    ("rows", pa.int32()),
    ("columns", pa.int32()),
    ("row_spacing_mm", pa.float64()),
    ("column_spacing_mm", pa.float64()),
    ("vendor", pa.string()),  # who made the scanner (dicom.vendors); null in tables of older versions
)


def slice_row(slice_: DicomSlice, folder: str, naming: Naming) -> dict[str, Any]:
    """A slice's PLACE_FIELDS, transfer_syntax and flags; identifiers as pseudonyms.

    Where the header does not say which series or patient a slice is of, its folder does.
    """
    nan3, nan6 = (float("nan"),) * 3, (float("nan"),) * 6
    spacing = slice_.pixel_spacing or (float("nan"),) * 2
    patient = slice_.patient_id or slice_.study_uid or folder
    return {
        "patient_id": naming.pseudonym(patient),
        "patient_order": naming.hidden_order(patient, naming.pseudonym(patient)),
        "study_uid": naming.pseudonym(slice_.study_uid or folder),
        "series_uid": naming.pseudonym(slice_.series_uid or folder),
        "sop_number": naming.number(slice_.sop_uid),
        **dict(zip(POSITION, slice_.position or nan3, strict=True)),
        **dict(zip(ORIENTATION, slice_.orientation or nan6, strict=True)),
        "instance_number": slice_.instance_number,
        "acquisition_number": slice_.acquisition_number,
        "frame_of_reference": slice_.frame_of_reference and naming.pseudonym(slice_.frame_of_reference),
        "slice_location_mm": slice_.slice_location,
        "rows": slice_.rows,
        "columns": slice_.columns,
        "row_spacing_mm": spacing[0],
        "column_spacing_mm": spacing[1],
        "vendor": slice_.vendor,
        "transfer_syntax": slice_.transfer_syntax,
        "flags": " ".join(slice_.flags),
    }
