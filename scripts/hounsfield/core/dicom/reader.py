"""Read one DICOM slice: kept, repaired or refused, with a reason code for everything that was not plain.

`read_slice` parses a file once, checks what it claims, decodes it and returns values that read as Hounsfield units. It
does not guard against a decoder that hangs or ends the process: the preparation runs it in processes of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hounsfield.core.dicom.body_parts import HEAD, body_part_term
from hounsfield.core.dicom.format import PixelFormat, read_pixel_format
from hounsfield.core.dicom.header import Header, read_header
from hounsfield.core.dicom.kinds import check_kind, sop_class_flags
from hounsfield.core.dicom.pixels import find_pixels, read_pixels
from hounsfield.core.dicom.placement import LENGTH_LIMIT, plain_view, read_place
from hounsfield.core.dicom.values import Values, as_hounsfield, as_radiograph, inversion_sum, read_rescale
from hounsfield.core.dicom.vendors import vendor_of

# PS3.3 C.8.7.1.1.5 and PS3.16 CID 4010: only these leave the reader, so that no header's free text does
VIEW_POSITIONS = frozenset({"AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO", "LPO", "RPO", "LAO", "RAO"})


@dataclass(frozen=True)
class DicomSlice:
    """One slice: values, and what the header says about them.

    A CT is in the plain view (placement.plain_view), with the place, the spacing and the size that it has there.
    """

    stored: np.ndarray  # (rows, columns) int16 or uint16; repaired, MONOCHROME1 X-rays inverted, padding reads as air
    slope: float
    intercept: float  # HU = stored * slope + intercept
    intercept_repaired: bool
    patient_id: str  # pseudonyms as in the file, "" where absent
    study_uid: str
    series_uid: str
    sop_uid: str
    position: tuple[float, float, float] | None  # ImagePositionPatient, mm
    orientation: tuple[float, ...] | None  # ImageOrientationPatient, six direction cosines
    pixel_spacing: tuple[float, float] | None  # mm between rows, then between columns
    instance_number: int | None
    acquisition_number: int | None
    frame_of_reference: str  # a UID: slices that share it lie in one coordinate system; "" where absent
    slice_location: float | None  # mm along the table, from a zero of its own
    rows: int
    columns: int
    bits_stored: int
    pixel_representation: int  # 1 signed, 0 unsigned: as the values were read
    window_center: float | None  # the first of several; mirrored where the picture was inverted
    window_width: float | None
    transfer_syntax: str
    view_position: str  # of an X-ray, a term of VIEW_POSITIONS; "" where the header has none of them
    body_part: str  # a term of DICOM's (body_parts.TERMS), "" where the header has none of them
    vendor: str  # who made the scanner, as vendors.vendor_of names it; "" where the header names nobody
    flags: tuple[str, ...]  # codes of FLAGS: what was odd, and used all the same


def read_slice(
    data: bytes,
    *,
    modalities: frozenset[str] = frozenset({"CT"}),
    repair_intercept: bool = True,
    body_parts: frozenset[str] = HEAD,
) -> DicomSlice:
    """Read the bytes of one file.

    modalities: the Modality values to accept. repair_intercept: repair the wrong intercept of some CT series (False for
    a strict reproduction of the published 2nd place). body_parts: terms that raise no flag on a CT; empty: none does.
    The picture may be a read-only view of `data`. Raises Refused with a code of REFUSALS.
    """
    header = read_header(data)
    is_ct = check_kind(header, modalities) == "CT"
    decoded, form = _decode(header)
    center, width = _window(header)
    if is_ct:
        values = as_hounsfield(decoded, header, form, repair_intercept=repair_intercept)
    else:
        values = as_radiograph(decoded, header, form)
        if center is not None and "monochrome1_inverted" in values.flags:
            center = decoded.slope * inversion_sum(form) + 2 * decoded.intercept - center
    flags = _identifier_flags(header) + _label_flags(header, body_parts if is_ct else frozenset())
    stored, place = values.stored, read_place(header)
    if is_ct:
        stored, place = plain_view(stored, place)
        flags += sop_class_flags(header) + place.flags
    flags += values.flags
    return DicomSlice(
        stored=stored,
        slope=values.slope,
        intercept=values.intercept,
        intercept_repaired="intercept_repaired" in values.flags,
        patient_id=header.text("patient_id"),
        study_uid=header.text("study_uid"),
        series_uid=header.text("series_uid"),
        sop_uid=header.text("sop_uid"),
        position=place.position,
        orientation=place.orientation,
        pixel_spacing=place.pixel_spacing,
        instance_number=_number(header, "instance_number"),
        acquisition_number=_number(header, "acquisition_number"),
        frame_of_reference=header.text("frame_of_reference"),
        slice_location=_slice_location(header),
        rows=stored.shape[0],
        columns=stored.shape[1],
        bits_stored=form.bits_stored,
        pixel_representation=int(form.signed),
        window_center=center,
        window_width=width,
        transfer_syntax=header.transfer_syntax,
        view_position=view if (view := header.text("view_position").upper()) in VIEW_POSITIONS else "",
        body_part=body_part_term(header.text("body_part")),
        vendor=vendor_of(header.text("manufacturer")),
        flags=flags,
    )


def _decode(header: Header) -> tuple[Values, PixelFormat]:
    """The picture as the file stores it, and the format by which it was read."""
    element = find_pixels(header)  # first: a cut file lacks other things too, and this says why
    form = read_pixel_format(header)
    slope, intercept, rescale_flags = read_rescale(header)
    stored, pixel_flags = read_pixels(header, element, form)
    values = Values(stored, slope, intercept, (*rescale_flags, *pixel_flags))
    return values, replace(form, signed=stored.dtype.kind == "i")


def _identifier_flags(header: Header) -> tuple[str, ...]:
    names = ("patient_id", "study_uid", "series_uid", "sop_uid")
    return tuple(f"{name}_missing" for name in names if not header.text(name))


def _label_flags(header: Header, body_parts: frozenset[str]) -> tuple[str, ...]:
    flags = () if header.text("photometric") else ("photometric_missing",)
    label = header.text("body_part")
    unexpected = body_parts and label and body_part_term(label) not in body_parts
    return (*flags, "body_part_unexpected") if unexpected else flags


def _number(header: Header, name: str) -> int | None:
    """A number within what DICOM allows an integer string (PS3.5, 6.2); None where absent or beyond."""
    number = header.integer(name)
    return number if number is not None and -(2**31) <= number < 2**31 else None


def _slice_location(header: Header) -> float | None:
    """SliceLocation in mm; None where it is absent, or no number below a kilometre."""
    location = header.first("slice_location")
    return location if location is not None and abs(location) <= LENGTH_LIMIT else None


def _window(header: Header) -> tuple[float | None, float | None]:
    """The display window that the file proposes: the first one; None, None where there is none that could be used."""
    center, width = header.first("window_center"), header.first("window_width")
    if center is None or width is None or not math.isfinite(center) or not 0 < width < math.inf:
        return None, None
    return center, width
