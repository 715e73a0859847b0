"""Which files are single grey pictures of a wanted modality, and which CT objects hold Hounsfield units.

A CT (modality CT) is read by its SOP class, and refused by name where that or the header says that its values are
something else than Hounsfield units:

| what | code |
| --- | --- |
| CT Image Storage; no SOP class (as in data sets that were stripped) | read |
| a private SOP class, or what is no UID | read, flagged `sop_class_unknown` |
| Enhanced CT, Legacy Converted Enhanced CT, several frames | `multi_frame` |
| Secondary Capture and its multi-frame kinds: screens, scanned pages, exports of viewers | `secondary_capture` |
| any other of DICOM's own SOP classes: structured reports, parametric maps, raw data ... | `sop_class` |
| CT Image Storage whose image type or series description names a dose or protocol page or a screen | `report_page` |
| CT Image Storage whose image type names a map: perfusion, electron density, a material | `parametric_map` |
| RescaleType other than HU, which is also meant where it is absent: iodine maps, perfusion maps ... | `rescale_type` |

Films (CR, DX) are often stored as Secondary Capture, and their values have no unit: none of this holds for them.
Sources: DICOM PS3.4, B.5; PS3.3, C.8.2.1.1.1, C.8.16.1, C.11.1.1.2.
"""

from __future__ import annotations

import re

from pydicom import config
from pydicom.uid import UID

from hounsfield.core.dicom.header import Header
from hounsfield.core.dicom.pixels import find_pixels
from hounsfield.core.errors import Refused

_STANDARD = re.compile(r"1\.2\.840\.10008\.[0-9.]{1,50}")  # DICOM's own UIDs
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_ENHANCED_CT = frozenset({f"{_CT_IMAGE}.1", f"{_CT_IMAGE}.2"})  # and legacy converted
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# Only these are named in messages, so that no header's free text can reach a log.
_NAMED_MODALITIES = frozenset({"CR", "CT", "DX", "KO", "MG", "MR", "NM", "OT", "PR", "PT", "REG", "RF", "RTDOSE",
                               "RTPLAN", "RTSTRUCT", "SC", "SEG", "SR", "US", "XA"})  # fmt: skip
_NAMED_UNITS = frozenset({"OD", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"})  # PS3.3, C.11.1.1.2.1
_PAGE_TYPES = re.compile(r"SCREEN.?(SAVE|SHOT|CAPTURE)|\b(DOSE|DOSE.?(INFO|REPORT)|REPORT|PROT)\b")  # of an image type
_PAGE_NAMES = re.compile(r"\bDOSE (INFO|PAGE|REPORT|SUMMARY)\b|\bPATIENT PROTOCOL\b|\bSCREEN ?(SAVE|SHOT|CAPTURE)S?\b")

_MAP_TYPES = re.compile(
    r"\b(R?CB[FV]|MTT|TTP|TMAX|IODINE|MAT_SPECIFIC|MAT_FRACTIONAL|EFF_ATOMIC_NUM|ELECTRON_DENSITY)\b"
)


def check_kind(header: Header, modalities: frozenset[str]) -> str:
    """Refuse what is no single-frame grey image of the modalities asked for; return the modality.

    Raises Refused: modality, localizer, multi_frame, colour, and of a CT secondary_capture, sop_class, report_page,
    parametric_map, rescale_type.
    """
    modality = header.text("modality")
    if not modality:
        find_pixels(header)  # a file that was cut before its modality is damaged, and not of another kind
    if modality not in modalities:
        named = modality if modality in _NAMED_MODALITIES else "unknown" if modality else "missing"
        raise Refused("modality", f"modality {named}, not {' or '.join(sorted(modalities))}; keep such files elsewhere")
    if "LOCALIZER" in header.text("image_type").upper().split("\\"):
        raise Refused("localizer", "a localizer (scout view) is not part of the stack; nothing needs to be done")
    frames = header.first("frames")
    if header.text("sop_class") in _ENHANCED_CT or (frames is not None and frames > 1):
        count = f"{frames:g} frames" if frames is not None else "enhanced multi-frame CT"
        raise Refused(
            "multi_frame", f"{count} in one file; split it into single-frame files, e.g. with emf2sf of dcm4che"
        )
    samples, photometric = header.first("samples"), header.text("photometric")
    if samples not in (None, 1.0) or photometric not in ("", "MONOCHROME1", "MONOCHROME2"):
        raise Refused("colour", "a colour picture; use the grey original, not a screen capture")
    if modality == "CT":
        _check_hounsfield(header)
    return modality


def sop_class_flags(header: Header) -> tuple[str, ...]:
    """A flag for a CT whose SOP class is none of DICOM's own."""
    sop_class = header.text("sop_class")
    return ("sop_class_unknown",) if sop_class and not _STANDARD.fullmatch(sop_class) else ()


def _check_hounsfield(header: Header) -> None:
    """Refuse a CT whose values are no Hounsfield units; see the table above."""
    sop_class = header.text("sop_class")
    if sop_class == _SECONDARY_CAPTURE or sop_class.startswith(f"{_SECONDARY_CAPTURE}."):
        message = "SOP class Secondary Capture: a page or a screen, not Hounsfield units; keep such files elsewhere"
        raise Refused("secondary_capture", message)
    if _STANDARD.fullmatch(sop_class) and sop_class != _CT_IMAGE:
        named = UID(sop_class, validation_mode=config.IGNORE).name  # the UID itself where pydicom does not know it
        raise Refused("sop_class", f"SOP class {named}, not CT Image Storage; keep such files elsewhere")
    image_type = header.text("image_type").upper()
    description = re.sub(r"[\W_]+", " ", header.text("series_description").upper())
    if _PAGE_TYPES.search(image_type) or _PAGE_NAMES.search(description):
        raise Refused("report_page", "a dose page, protocol page or screen save; keep such files elsewhere")
    if _MAP_TYPES.search(image_type):
        raise Refused("parametric_map", "a map by its image type, not Hounsfield units; keep such files elsewhere")
    unit = header.text("rescale_type").upper()
    if unit not in ("", "HU") and not unit.startswith("HOUNSFIELD"):
        named = unit if unit in _NAMED_UNITS else "another unit"
        raise Refused("rescale_type", f"RescaleType is {named}, not HU: a map, not a CT; keep such files elsewhere")
