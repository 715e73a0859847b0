"""The bytes of a phantom's DICOM file: uncompressed, with the elements that the caller hands in and no other.

Identifiers, windows and modality are the caller's. Only what follows from the pixels is written here.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from .grid import Array

IMPLEMENTATION = UID("1.2.826.0.1.3680043.8.498.1")


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How a file stores its pixels, in 16 bits each, or in 8 where that is enough: as the value plus `offset`."""

    bits: int = 16  # BitsStored; what does not fit wraps round, modulo 2^bits
    signed: bool = True
    offset: int = 0
    padding: int | None = None  # stored outside the circular field of view

    @property
    def dtype(self) -> np.dtype[Any]:
        """What one pixel is in the file."""
        return np.dtype(f"{'i' if self.signed else 'u'}{1 if self.bits <= 8 else 2}")


def stored_values(values: Array, storage: Storage) -> NDArray[np.integer[Any]]:
    """Values (rows, columns), rounded, as the file stores them."""
    stored = np.rint(values).astype(np.int32) + storage.offset
    if storage.padding is not None:
        stored[outside_field_of_view(stored.shape)] = storage.padding
    lowest = -(1 << (storage.bits - 1)) if storage.signed else 0
    wrapped = (stored - lowest) % (1 << storage.bits) + lowest
    return wrapped.astype(storage.dtype)


def outside_field_of_view(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels outside the largest circle in an image of `shape`; (rows, columns)."""
    middle = (np.array(shape) - 1) / 2
    row, column = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((row - middle[0]) ** 2 + (column - middle[1]) ** 2 > (min(shape) / 2) ** 2)


def pixel_elements(shape: tuple[int, ...], storage: Storage) -> dict[str, Any]:
    """The elements that say how to read the pixels, by keyword."""
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": shape[0],
        "Columns": shape[1],
        "BitsAllocated": 8 * storage.dtype.itemsize,
        "BitsStored": storage.bits,
        "HighBit": storage.bits - 1,
        "PixelRepresentation": int(storage.signed),
    }


def dicom_file(
    values: Array,
    storage: Storage,
    elements: Mapping[str, Any],
    *,
    sop_class: UID = CTImageStorage,
    truncated: bool = False,
) -> bytes:
    """One image as a DICOM file.

    values: (rows, columns), HU for CT. elements: by keyword, the SOPInstanceUID among them; they overrule those of
    pixel_elements. The rescale intercept and slope are among them too: an intercept that is not -storage.offset is a
    faulty one. truncated: the pixel data end after about a third.
    """
    pixels = stored_values(values, storage).tobytes()
    with warnings.catch_warnings():
        # Some data sets carry names that are not valid UIDs; their phantoms have to hold the same.
        warnings.filterwarnings("ignore", message="Invalid value for VR UI")
        dataset = FileDataset("", Dataset(), file_meta=_meta(elements, sop_class), preamble=b"\0" * 128)
        for keyword, value in {**pixel_elements(values.shape, storage), **elements}.items():
            setattr(dataset, keyword, value)
        dataset.add_new("PixelData", "OW", pixels[: len(pixels) // 3 // 2 * 2] if truncated else pixels)
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _meta(elements: Mapping[str, Any], sop_class: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(elements["SOPInstanceUID"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    return meta
