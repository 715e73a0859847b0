"""One slice under every transfer syntax that can be written here: the sound files that are damaged afterwards."""

from __future__ import annotations

import base64
import tempfile
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import gdcm
import numpy as np
import pydicom
from openjpeg.utils import encode_array
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import UID

NEAR_LOSSLESS_ERROR = 3  # stored values by which lossy JPEG-LS may be off
LOSSY_RATIO = 10  # of lossy JPEG 2000
_GREY = 2  # openjpeg's name for MONOCHROME2

# A 16 x 16 picture of 12 bits in High-Throughput JPEG 2000, which no library here can write.
HIGH_THROUGHPUT_SAMPLE = base64.b64decode(
    "/0//UQApQAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCIkJCQkJCQkJCQkJ"
    "CQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAIAAAf+TwAAmbfsFB3QAAMAAE0AAEwCi/gIHdAB+/gKHdADAABNAABOAUFABgnQA"
    "PPP8AINUAMAAFTAABVAkEon0qnECdQCYMTExwDGB7LYAwAAroAAWkAiCIAiCIOfKenpwgngAtDQajUaj0f79iEB79iEB7LoA/9k="
)


def encoded(plain: bytes, syntax: str) -> bytes:
    """A 16-bit slice in explicit VR little endian, as a file under another transfer syntax.

    Under 8-bit lossy JPEG the values become 0..255, and under High-Throughput JPEG 2000 the picture another one. Raises
    KeyError for a syntax that is not in ENCODERS.
    """
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the competition's identifiers are not valid UIDs
        return ENCODERS[syntax](plain, syntax)


def _native(plain: bytes, syntax: str) -> bytes:
    dataset = pydicom.dcmread(BytesIO(plain))
    if UID(syntax).is_little_endian is False:
        dataset.PixelData = dataset.pixel_array.byteswap().tobytes()
    return _written(dataset, syntax)


def _by_pydicom(plain: bytes, syntax: str) -> bytes:
    dataset = pydicom.dcmread(BytesIO(plain))
    options = {"jls_error": NEAR_LOSSLESS_ERROR} if syntax.endswith(".81") else {}
    dataset.compress(syntax, generate_instance_uid=False, **options)  # type: ignore[arg-type]
    return _written(dataset, syntax)


def _jpeg_2000(plain: bytes, syntax: str) -> bytes:
    dataset = pydicom.dcmread(BytesIO(plain))
    code = encode_array(
        dataset.pixel_array,
        bits_stored=dataset.BitsStored,
        photometric_interpretation=_GREY,
        compression_ratios=[LOSSY_RATIO] if syntax.endswith(".91") else None,
    )
    return _with_codestream(dataset, bytes(code), syntax)


def _high_throughput_jpeg_2000(plain: bytes, syntax: str) -> bytes:
    dataset = pydicom.dcmread(BytesIO(plain))
    dataset.Rows = dataset.Columns = 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
    return _with_codestream(dataset, HIGH_THROUGHPUT_SAMPLE, syntax)


def _jpeg_of_8_bits(plain: bytes, syntax: str) -> bytes:
    dataset = pydicom.dcmread(BytesIO(plain))
    pixels = dataset.pixel_array.astype(np.float64)
    low, high = float(pixels.min()), float(pixels.max())
    written, code = cv2.imencode(".jpg", np.rint((pixels - low) * 255 / max(high - low, 1)).astype(np.uint8))
    if not written:
        raise ValueError("the picture cannot be written as JPEG")
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.RescaleSlope = f"{(high - low) / 255:.6g}"
    dataset.RescaleIntercept = f"{float(dataset.RescaleIntercept) + low:.6g}"
    extended = code.tobytes().replace(b"\xff\xc0", b"\xff\xc1", 1)  # what baseline can say, extended says alike
    return _with_codestream(dataset, extended if syntax.endswith(".51") else code.tobytes(), syntax)


def _lossless_jpeg(plain: bytes, syntax: str) -> bytes:
    """By GDCM, which works from file to file; its identifiers are new each time, so only its codestream is taken."""
    kind = gdcm.TransferSyntax.GetTSType(syntax)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.write_bytes(plain)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(source))
        done = reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(kind))
        change.SetInput(reader.GetImage())
        done = done and change.Change()
        writer.SetFileName(str(target))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not (done and writer.Write()):
            raise ValueError("GDCM cannot write the slice as lossless JPEG")
        code = get_frame(pydicom.dcmread(target).PixelData, 0, number_of_frames=1)
    return _with_codestream(pydicom.dcmread(BytesIO(plain)), code, syntax)


def _with_codestream(dataset: Dataset, code: bytes, syntax: str) -> bytes:
    dataset.PixelData = encapsulate([code], fragments_per_frame=2)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return _written(dataset, syntax)


def _written(dataset: Dataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    buffer = BytesIO()
    kind = UID(syntax)
    pydicom.dcmwrite(
        buffer, dataset, enforce_file_format=True,
        implicit_vr=kind.is_implicit_VR, little_endian=kind.is_little_endian, force_encoding=False,
    )  # fmt: skip
    return buffer.getvalue()


# By transfer syntax, in the order of codestreams.CODECS.
ENCODERS: dict[str, Callable[[bytes, str], bytes]] = {
    "1.2.840.10008.1.2": _native,
    "1.2.840.10008.1.2.1": _native,
    "1.2.840.10008.1.2.1.99": _native,
    "1.2.840.10008.1.2.2": _native,
    "1.2.840.10008.1.2.5": _by_pydicom,
    "1.2.840.10008.1.2.4.50": _jpeg_of_8_bits,
    "1.2.840.10008.1.2.4.51": _jpeg_of_8_bits,
    "1.2.840.10008.1.2.4.57": _lossless_jpeg,
    "1.2.840.10008.1.2.4.70": _lossless_jpeg,
    "1.2.840.10008.1.2.4.80": _by_pydicom,
    "1.2.840.10008.1.2.4.81": _by_pydicom,
    "1.2.840.10008.1.2.4.90": _jpeg_2000,
    "1.2.840.10008.1.2.4.91": _jpeg_2000,
    "1.2.840.10008.1.2.4.201": _high_throughput_jpeg_2000,
    "1.2.840.10008.1.2.4.202": _high_throughput_jpeg_2000,
    "1.2.840.10008.1.2.4.203": _high_throughput_jpeg_2000,
}
