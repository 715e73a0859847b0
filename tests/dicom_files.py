"""DICOM files in memory, for tests: a small head, stored and damaged in every way that the reader must know."""

from __future__ import annotations

import base64
import struct
import warnings
import zlib
from io import BytesIO
from typing import Any

import cv2
import jpeg_ls
import numpy as np
import pydicom
import pytest
from openjpeg.utils import encode_array as encode_jpeg_2000
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless

from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.dicom.reason_codes import REFUSALS
from hounsfield.core.errors import Refused

EXPLICIT = str(ExplicitVRLittleEndian)
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = str(RLELossless)
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_FIRST_ORDER = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HIGH_THROUGHPUT_JPEG_2000 = "1.2.840.10008.1.2.4.201"

# A 16 x 16 picture of 12 bits, in formats that no library here can write.
SAMPLE = (np.add.outer(np.arange(16) * 91, np.arange(16) * 37) % 4096).astype(np.uint16)
SAMPLE_JPEG_LOSSLESS = base64.b64decode(
    "/9j/xAAWAAEBAQAAAAAAAAAAAAAAAAAGBwz/wwALDAAQABABABEA/9oACAEAAAYAAM/+lSpUqVKlSpUqVKlSpa2uXLly5cuXLly5cuXLq2uXLly5"
    "cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLl"
    "y5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLly5cuXLly5cuXLq2uXLl"
    "y5cuXLly5cuXLq2uXLly5cuXLly5cuXLj/2Q=="
)
SAMPLE_JPEG_LOSSLESS_FIRST_ORDER = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALDAAQABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABgcM/9oACAEBAAEAAM/+lSpUqVKlSpUqVKlSpa2lSp"
    "UqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpU"
    "qVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUq"
    "VKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpa2lSpUqVKlSpUqVKlSpf/2Q=="
)
SAMPLE_HIGH_THROUGHPUT_JPEG_2000 = base64.b64decode(
    "/0//UQApQAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJCQkJ"
    "CQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAIAAAf+TwAAmbfsFB3QAAMAAE0AAEwCi/gIHdAB+/gKHdADAABNAABOAUFABgnQA"
    "PPP8AINUAMAAFTAABVAkEon0qnECdQCYMTExwDGB7LYAwAAroAAWkAiCIAiCIOfKenpwgngAtDQajUaj0f79iEB79iEB7LoA/9k="
)


def head_hu(size: int = 64) -> np.ndarray:
    """A head in Hounsfield units, (size, size) int16: air, a ring of skull, brain and a bleeding."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    radius = np.hypot(x, y)
    hu = np.full((size, size), -1000, dtype=np.int16)
    hu[radius < 0.42] = 1200
    hu[radius < 0.36] = 35
    hu[np.hypot(x - 0.1, y) < 0.1] = 70
    return hu


PIXELS = head_hu() + np.int16(1024)  # what a plain file of this head stores
UNSIGNED = PIXELS.astype(np.uint16)


def ct_dataset(pixels: np.ndarray | None = None, **elements: Any) -> Dataset:
    """A CT slice like those of RSNA 2019: 16 bits signed, HU = stored - 1024.

    pixels: stored values, (rows, columns), written as they are; their type gives BitsAllocated and PixelRepresentation.
    elements: by keyword, in place of the plain ones; None takes one away.
    """
    pixels = PIXELS if pixels is None else pixels
    bits = pixels.dtype.itemsize * 8
    plain: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.3.4",
        "Modality": "CT",
        "PatientID": "ID_patient",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "InstanceNumber": 7,
        "ImagePositionPatient": [-125.0, -120.5, 42.25],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "PixelSpacing": [0.5, 0.5],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "WindowCenter": 40,
        "WindowWidth": 80,
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
        "PixelData": pixels.tobytes(),
    }
    dataset = Dataset()
    with pydicom.config.disable_value_validation():  # the files may be wrong on purpose
        for keyword, value in (plain | elements).items():
            if value is not None:
                setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW"
    return dataset


def write(dataset: Dataset, syntax: str = EXPLICIT) -> bytes:
    """The data set as a file; compressed pixel data must be in it already."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.file_meta = meta
    buffer = BytesIO()
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def ct_file(pixels: np.ndarray | None = None, syntax: str = EXPLICIT, **elements: Any) -> bytes:
    """An uncompressed CT slice (deflated or big endian as `syntax` says); see ct_dataset."""
    if syntax == BIG_ENDIAN:
        pixels = PIXELS if pixels is None else pixels
        elements.setdefault("PixelData", pixels.byteswap().tobytes())
    return write(ct_dataset(pixels, **elements), syntax)


def compressed_file(
    codestream: bytes, pixels: np.ndarray, syntax: str, *, fragments: int = 1, **elements: Any
) -> bytes:
    """A CT slice whose pixel data is `codestream`, in one or more fragments; `pixels` only describes the header."""
    dataset = ct_dataset(pixels, **elements)
    dataset.PixelData = encapsulate([codestream], fragments_per_frame=fragments)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return write(dataset, syntax)


def rle_codestream(pixels: np.ndarray) -> bytes:
    return next(get_encoder(RLELossless).iter_encode(ct_dataset(pixels), encoding_plugin="pydicom"))


def jpeg_ls_codestream(pixels: np.ndarray, bits: int | None = None) -> bytes:
    rows, columns = pixels.shape
    bits = pixels.dtype.itemsize * 8 if bits is None else bits
    return bytes(jpeg_ls.encode_buffer(pixels.tobytes(), rows, columns, 1, bits))


def jpeg_2000_codestream(pixels: np.ndarray, bits: int | None = None) -> bytes:
    """JPEG 2000 whose own sign is that of the array's type."""
    bits = pixels.dtype.itemsize * 8 if bits is None else bits
    return bytes(encode_jpeg_2000(pixels, bits_stored=bits, photometric_interpretation=2))


def jpeg_codestream(pixels: np.ndarray) -> bytes:
    """Baseline JPEG of 8-bit pixels."""
    written, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert written
    return code.tobytes()


def with_meta_replaced(data: bytes, meta: bytes) -> bytes:
    """The file with other meta information: `meta` is the encoded group 2."""
    length = struct.unpack_from("<L", data, 140)[0]
    return data[:132] + meta + data[144 + length :]


def meta_element(element: int, representation: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", 2, element, representation, len(value)) + value


def deflated_file(body: bytes) -> bytes:
    """A deflated file around any inflated bytes."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    meta = meta_element(0x10, b"UI", DEFLATED.encode())
    return bytes(128) + b"DICM" + meta + deflater.compress(body) + deflater.flush()


def nested_sequences(depth: int) -> bytes:
    """Sequences within sequences, each properly closed, in explicit VR little endian."""
    opening = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00" + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    return opening * depth + closing * depth


def data_set_start(data: bytes) -> int:
    """Where the data set begins, after the meta information that `write` makes."""
    return 144 + struct.unpack_from("<L", data, 140)[0]


def hounsfield_units(slice_: DicomSlice) -> np.ndarray:
    return slice_.stored * slice_.slope + slice_.intercept


def refusal(data: bytes) -> Refused:
    """How the reader refuses `data`: with a known code and one line."""
    with pytest.raises(Refused) as caught:
        read_slice(data)
    assert caught.value.code in REFUSALS
    assert "\n" not in caught.value.message
    return caught.value


AXIAL = (1, 0, 0, 0, 1, 0)  # the plain ImageOrientationPatient
# Turns of a plain picture: of its pixels, and how its rows and columns then run in terms of the plain ones.
STORED = [
    (lambda a: a, "+r +d"), (lambda a: a[:, ::-1], "-r +d"), (lambda a: a[::-1], "+r -d"),
    (lambda a: a[::-1, ::-1], "-r -d"), (lambda a: a.T, "+d +r"), (lambda a: a.T[:, ::-1], "-d +r"),
    (lambda a: a.T[::-1], "+d -r"), (lambda a: a.T[::-1, ::-1], "-d -r"),
]  # fmt: skip


def directions(plane: tuple[float, ...], word: str) -> list[float]:
    """ImageOrientationPatient of a picture whose rows and columns run as `word` says, such as "-d +r"."""
    plain = {"r": np.array(plane[:3], float), "d": np.array(plane[3:], float)}
    return [value for part in word.split() for value in plain[part[1]] * (1 if part[0] == "+" else -1)]


def stored_otherwise(pixels: np.ndarray, number: int, **elements: Any) -> bytes:
    """The slice of ct_dataset in one of the eight storages of STORED, with the geometry that is right for it."""
    turn, word = STORED[number]
    places = np.arange(pixels.size).reshape(pixels.shape)
    row, column = divmod(int(turn(places)[0, 0]), pixels.shape[1])
    corner = [-125.0 + 0.5 * column, -120.5 + 0.5 * row, 42.25]
    geometry = {"ImageOrientationPatient": directions(AXIAL, word), "ImagePositionPatient": corner}
    return ct_file(np.ascontiguousarray(turn(pixels)), **{**geometry, **elements})
