"""Why a DICOM file is refused or flagged, code by code, and how exceptions of foreign code become refusals."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import config

from hounsfield.core.errors import Refused

REFUSALS: dict[str, str] = {
    "empty_file": "The file holds no bytes.",
    "not_dicom": "The file does not begin like DICOM (no DICM after 128 bytes).",
    "no_file_meta": "A DICOM data set without the preamble and file meta information that name its encoding.",
    "no_transfer_syntax": "The file meta information does not name the transfer syntax.",
    "transfer_syntax": "The transfer syntax is one that this project has no decoder for.",
    "jpeg_process": "JPEG by a process that is not read: progressive, arithmetic, or lossy of other than 8 or 12 bits.",
    "inflated_size": "A deflated data set that grows beyond the limit, or that does not end.",
    "nested_sequences": "Sequences nested more deeply than any real header.",
    "header_size": "More header elements than any real single image has.",
    "unreadable": "The library that reads this format failed on the file.",
    "modality": "The modality is missing or not one of those asked for (MR, SR, SEG ...).",
    "dicomdir": "A DICOMDIR, the list of the files of a disc: no image, and nothing is lost.",
    "localizer": "A scout view, which is not part of the stack.",
    "not_axial": "A sagittal or coronal picture, which is kept out of axial stacks.",
    "copy": "The same slice as another file, which is used.",
    "series_merged": "Slices without a SeriesInstanceUID that lie among those of other studies.",
    "multi_frame": "Several frames in one file; only single-frame images are read.",
    "colour": "A colour picture, such as a screen capture or a report page.",
    "secondary_capture": "A CT by modality, but stored as Secondary Capture: a page or a screen, no Hounsfield units.",
    "sop_class": "A CT by modality, but of an SOP class whose values are no Hounsfield units.",
    "report_page": "A dose page, protocol page or screen save among CT images.",
    "parametric_map": "A map among CT images, such as one of perfusion or of electron density.",
    "rescale_type": "The values have another unit than HU, such as an iodine or a perfusion map.",
    "implausible_pixels": "Over 1 % of the pixels lie outside -4096..32767 HU, or none reads as tissue.",
    "rows_columns": "Rows or Columns are missing, multi-valued or beyond the limit.",
    "bits": "The description of the pixel's bits is missing or contradicts itself.",
    "rescale": "RescaleSlope or RescaleIntercept is not a number, zero, negative or absurd.",
    "no_pixel_data": "There is no pixel data element, or an empty one.",
    "pixel_data_short": "The pixel data ends before the picture does; the file was cut.",
    "encapsulation": "The pixel data is not packed in the way that its transfer syntax demands.",
    "codestream": "The compressed picture's own header is broken or of another kind than the transfer syntax says.",
    "codestream_size": "The compressed picture's own size contradicts Rows and Columns, or its length.",
    "decoded_size": "The decoder returned another number of pixels than Rows x Columns.",
}

FLAGS: dict[str, str] = {
    "patient_id_missing": "PatientID is absent or empty: the slice cannot be grouped by patient.",
    "study_uid_missing": "StudyInstanceUID is absent or empty.",
    "series_uid_missing": "SeriesInstanceUID is absent or empty: a stack was found by folder, geometry and gaps.",
    "sop_uid_missing": "SOPInstanceUID is absent or empty.",
    "position_missing": "ImagePositionPatient is absent or not three numbers below a kilometre.",
    "orientation_missing": "ImageOrientationPatient is absent or not two perpendicular directions.",
    "pixel_spacing_missing": "PixelSpacing is absent or not two positive numbers below a kilometre.",
    "turned": "Stored mirrored, upside down or rotated by 90 degrees: turned to the plain view of its plane.",
    "resampled": "Its pixels were not square: resampled to square ones of the smaller spacing.",
    "pixel_aspect_unlikely": "PixelSpacing gives pixels that no scanner makes: the picture was left as it is stored.",
    "rescale_missing": "RescaleSlope or RescaleIntercept is absent: 1 and 0 were taken.",
    "intercept_repaired": "A wrong intercept with wrapped values was repaired (12 bits, unsigned).",
    "body_part_unexpected": "BodyPartExamined names another body part; such labels are often wrong.",
    "photometric_missing": "PhotometricInterpretation is absent: MONOCHROME2 was taken.",
    "monochrome1_inverted": "An X-ray stored with white as its lowest value was inverted.",
    "monochrome1_ct": "A CT that asks for an inverted display; its Hounsfield units are used as they are.",
    "padding_ambiguous": "The padding value reads as tissue and does not fill the corners: left as it is.",
    "pixel_data_long": "The pixel data is longer than the picture by more than a row.",
    "sign_mismatch": "The JPEG 2000 picture's own sign contradicts PixelRepresentation: signed was taken.",
    "precision_mismatch": "The compressed picture's own number of bits differs from BitsStored.",
    "sop_class_unknown": "The SOP class is a private one or no UID.",
    "implausible_hu": "A few Hounsfield units lie outside -4096..32767, or all of them within one.",
    "no_air": "No pixel lies below -500 HU: a wrong intercept, or a picture from inside the body.",
    "no_tissue": "Nothing but air, as in a slice above the head.",
    "window_unusable": "An X-ray's display window shows next to nothing of it: its range of values was used instead.",
    "patients_joined": "One study bears several PatientIDs: they are one patient here, and in one fold.",
    "series_joined": "Every slice of the study had a SeriesInstanceUID of its own: they are one series here.",
    "series_split": "One SeriesInstanceUID held several stacks, by frame of reference, geometry or acquisition.",
    "copies_kept": "Other files hold the same slice; in a competition's archive each has to be answered.",
    "copies_left_out": "Other files hold the same slice; they are listed among the refused ones.",
    "sop_uid_repeated": "Another slice, of another place, has the same SOPInstanceUID; both are used.",
    "position_guessed": "The slice has no position: its place follows from SliceLocation, number or file name.",
    "order_guessed": "No position: the order follows from SliceLocation, instance number and file names.",
    "constant": "Every pixel has the same value.",
}

# whole files, of something else than an axial slice in Hounsfield units, or than any image
OTHER_KINDS = frozenset({
    "not_dicom", "modality", "dicomdir", "localizer", "colour", "secondary_capture", "sop_class", "report_page",
    "parametric_map", "rescale_type", "not_axial",
})  # fmt: skip
LISTS_OF_FILES = ("dicomdir",)  # refused as images, and not counted among the files that could not be used

REASONS: dict[str, str] = REFUSALS | FLAGS

_LOUD_LOGGERS = tuple(logging.getLogger(name) for name in ("pydicom", "openjpeg", "_openjpeg", "jpeg_ls"))


@contextmanager
def foreign_code(what: str) -> Iterator[None]:
    """Run a library's code on foreign bytes: its messages kept quiet, its exceptions turned into a refusal.

    The libraries' warnings and log lines quote header values, which must not reach a log. They are held back only
    within this block. Not for use by several threads at once (the warning filters of a process are shared).
    """
    propagated = [logger.propagate for logger in _LOUD_LOGGERS]
    for logger in _LOUD_LOGGERS:
        logger.propagate = False
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    except Refused:
        raise
    # Whatever garbage makes a parser or a decoder raise costs this one file. Its cause is cut off: it may quote it.
    except Exception as error:  # noqa: BLE001
        if _comes_from_recursion(error):
            raise Refused("nested_sequences", "sequences are nested too deeply; export the file again") from None
        message = f"{what} failed ({type(error).__name__}); the file is damaged, export it again"
        raise Refused("unreadable", message) from None
    finally:
        for logger, propagate in zip(_LOUD_LOGGERS, propagated, strict=True):
            logger.propagate = propagate


def _comes_from_recursion(error: BaseException | None) -> bool:
    """Whether Python's recursion limit began it; pydicom turns that into an OSError, level by level."""
    while error is not None:
        if isinstance(error, RecursionError):
            return True
        error = error.__context__
    return False
