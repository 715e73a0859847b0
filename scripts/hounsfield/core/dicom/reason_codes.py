"""The codes by which DICOM files are refused or flagged.

A refusal's words stand where `Refused` is raised with its code (`grep -rn '"CODE"' scripts`), and go into the list of
refused files. A flag's words stand here.
"""

from __future__ import annotations

REFUSALS = frozenset({
    "empty_file", "not_dicom", "no_file_meta", "no_transfer_syntax", "transfer_syntax", "jpeg_process",
    "inflated_size", "nested_sequences", "header_size", "unreadable", "modality", "dicomdir", "localizer",
    "not_axial", "copy", "series_merged", "multi_frame", "colour", "secondary_capture", "sop_class", "report_page",
    "parametric_map", "rescale_type", "implausible_pixels", "rows_columns", "bits", "rescale", "no_pixel_data",
    "pixel_data_short", "encapsulation", "codestream", "codestream_size", "decoded_size",
})  # fmt: skip

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
