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
# The head of 32 x 32 pixels that tests draw, of 12 bits (values 24 to 2224), lossy (process 4), by libjpeg-turbo.
TWELVE_BIT_SAMPLE = base64.b64decode(
    "/9j/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/wQALDAAgACABAREA/8"
    "QAGwAAAgEFAAAAAAAAAAAAAAAACAwFBwkKCw3/xAAtEAABBAICAQIDCAMAAAAAAAAEAwUGBwgJAgoBCxEADBITFBUWF0FhoRkiUv/aAAgBAQAAPwDl"
    "ouIGIF8bCctKTxZxZpOxclsnbwm7JWdVUrUEUPlczn8teT0W5lj7Eyt6Sxjo6HnFDCCgipKLkLrpJJcOfPnx4+WELTB8tYdcjQbjBjvPe7D2QcrrH2"
    "M2DVy/i7dNegeFV3IZzibYi76VwRbphesmcHyHPJTICzHNT/GW9nHMHfHYfkA4uLQ38HN4IHO/5c46NHYAiRNb9cPtUbF9JGZsThE0PZIX2OqxrmZV"
    "Lfst/BVToo0oWRW34ELWDWKU0mjOzo8gP65HGQNflpbiSQVQXBf07D/Xg2Q9Tbdll9qH28Yg2LgdsexKm61fXJQVoiopusdc+KKRQxCBIyqwbo1ngl"
    "BOTc8Ny5Lc6Nx4LgAUWEYMQrvivlrDTBSug3pW9kHuwz3HemrX2MzbIuPaa9XmRPgx9Ms3E2ZOlducpvWaN6PAgAKOFOcHl0VbmSVtZBr4OYC8t/JE"
    "Foc3Tg8ZFfxJ844dwbfv3lPx9l7eOX0+PPvy+nz49/q9vH7f3/HwDXrNmmCle4h6LnKNu73jvTX+Yzq05F0vW0rzgnZj6FYk7wetmQPsVj1TiHokGp"
    "yYpksqRMpoLe8oAAR6PgncWQlEhzdw3cJ/lzjO9h7AHpTnao64dbk11BMzdWub8O3kRWOudpsv5zv2sH2uf0wsgdrihqgJAbXAxIeyvZ78MQ58SF5m"
    "zNHkEMksBVwvVfE3zlZHJn+4+EuHH/Twl9p4/wCPb29vbz+/8/18UT9VdzvYerP6BBseh10E11Lbs7R2b9GYy4+U052mysMzj1YUNLjrKltxtbImoY"
    "4SRrRk8fboOeDyGa+LUvJWZwWOV4OLcGctN9eDsP7IeptuyxB28ah8vrFwO2PYlTdGwabv2rikU3WOufFFUUkdcYlJYN0azwSjW1xZ3FAludG485vP"
    "FLCMJHVY49MHrNnp0XcQxgx3e9u8pyu6Ru4z9Ll5flnNqjxYkGTGv6dzsd9KQPDq+PRh5dbBjZT6m6hPQbWYANH48AynMfEpxIQCdncgc7/VXfSwOr"
    "PEiboh2x7Yv3aLskMImh9XYt4f4jy7DCpY9LW5lVTZGm2pbYpjZIh2t8cnQDkK6QoV2XauMedFj24/gsE3nLvveH7w+1n1CfsDWztz252zG5Tcj+xN"
    "lbVPSNRsHmJ03jbVDL5X4RSp6vinBZVGMw1iQIWTDb01FVlliDnFwJcHVycnEz//2Q=="
)
TWELVE_BIT_ERROR = 15  # stored values by which it is off at most


def encoded(plain: bytes, syntax: str) -> bytes:
    """A 16-bit slice in explicit VR little endian, as a file under another transfer syntax.

    Under 8-bit lossy JPEG the values become 0..255. Under High-Throughput JPEG 2000 and (12 bits) extended JPEG the
    picture becomes another one. Raises KeyError for a syntax that is not in ENCODERS.
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


def _extended_jpeg(plain: bytes, syntax: str) -> bytes:
    dataset = pydicom.dcmread(BytesIO(plain))
    if dataset.BitsStored != 12:
        return _jpeg_of_8_bits(plain, syntax)
    dataset.Rows = dataset.Columns = 32
    dataset.PixelRepresentation = 0
    return _with_codestream(dataset, TWELVE_BIT_SAMPLE, syntax)


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
    "1.2.840.10008.1.2.4.51": _extended_jpeg,
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
