"""How a DICOM file describes its pixels, checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hounsfield.core.dicom.header import Header
from hounsfield.core.errors import Refused

ROWS_LIMIT = COLUMNS_LIMIT = 8192  # CT 512 to 2048, X-ray detectors up to about 5,000


@dataclass(frozen=True)
class PixelFormat:
    """The checked description of the pixels (DICOM PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    bits_allocated: int  # 8 or 16
    bits_stored: int
    signed: bool

    @property
    def bytes_expected(self) -> int:
        """Bytes of the uncompressed picture."""
        return self.rows * self.columns * self.bits_allocated // 8


def read_pixel_format(header: Header) -> PixelFormat:
    """Check size and bits as the header claims them. Raises Refused: rows_columns, bits."""
    rows, columns = header.integer("rows"), header.integer("columns")
    if rows is None or columns is None:
        raise Refused("rows_columns", "Rows or Columns are missing or not single numbers; export the file again")
    if not (1 <= rows <= ROWS_LIMIT and 1 <= columns <= COLUMNS_LIMIT):
        message = f"{rows} x {columns} pixels claimed; 1 to {ROWS_LIMIT} rows and columns are read"
        raise Refused("rows_columns", message)
    allocated, stored = header.integer("bits_allocated"), header.integer("bits_stored")
    representation, high_bit = header.integer("pixel_representation"), header.integer("high_bit")
    if allocated is None or stored is None or representation is None:
        raise Refused("bits", "BitsAllocated, BitsStored or PixelRepresentation is missing; export the file again")
    if allocated not in (8, 16) or not 1 <= stored <= allocated or representation not in (0, 1):
        message = f"{allocated} bits allocated, {stored} stored, representation {representation}; 8 or 16 bits are read"
        raise Refused("bits", message)
    if high_bit is not None and high_bit != stored - 1:
        raise Refused("bits", f"HighBit {high_bit} with {stored} bits stored is not read; export the file again")
    return PixelFormat(rows, columns, allocated, stored, signed=representation == 1)


def as_stored(values: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    """Keep the lowest `bits` of each value and read them as PixelRepresentation says; int16 or uint16.

    What lies above BitsStored is not part of the value: old overlays, or a sign written or not written.
    """
    container = values.dtype.itemsize * 8
    values = values.view(np.dtype(f"{'i' if signed else 'u'}{values.dtype.itemsize}"))
    if bits < container:
        spare = container - bits
        values = (values << spare) >> spare if signed else values & values.dtype.type(2**bits - 1)
    return values.astype(np.int16 if signed else np.uint16, copy=False)
