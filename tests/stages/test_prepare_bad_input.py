"""Every class of bad file through the real preparation: kept, flagged, or refused by its code at its own cost."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from preparations import PLAIN, Outcome, apart, prepare

import dicom_files as files
from conftest import work_at
from dicom_files import PIXELS, ct_file
from fuzz.encodings import TWELVE_BIT_SAMPLE
from hounsfield.competitions.rsna2019.source import own_source

SMALL = PIXELS.clip(0, 255).astype(np.uint8)


class Case(NamedTuple):
    """A file, and what becomes of it: its flags where it is kept, else the refusal's code and words of its message."""

    content: bytes
    flags: str | None = None
    code: str = ""
    message: str = ""


def kept(content: bytes, flags: str = "") -> Case:
    return Case(content, flags)


def refused(content: bytes, code: str, message: str) -> Case:
    return Case(content, None, code, message)


def within_header(element: bytes) -> bytes:
    """The plain file with an encoded element in front of the others."""
    start = files.data_set_start(PLAIN)
    return PLAIN[:start] + element + PLAIN[start:]


def with_value(old: bytes, new: bytes, **elements: Any) -> bytes:
    """A file in which the bytes of a value, which the writer would not write, are put in place of others."""
    content = ct_file(**elements)
    assert content.count(old) == 1
    assert len(old) == len(new)
    return content.replace(old, new)


def meta(syntax: str, sop_class: bytes = b"1.2.840.10008.5.1.4.1.1.2\0") -> bytes:
    return files.meta_element(2, b"UI", sop_class) + files.meta_element(0x10, b"UI", syntax.encode())


def wrapped() -> np.ndarray:
    return (files.head_hu().astype(int) % 4096).astype(np.uint16)


def padded() -> np.ndarray:
    pixels = files.head_hu()
    pixels[:4], pixels[-4:] = -2000, -1500
    return pixels


# The numbers are those of the classes of bad input that the reader is built for.
CASES: dict[str, Case] = {
    "03 .DS_Store": refused(b"\0\0\0\1Bud1" + bytes(200), "not_dicom", "not DICOM"),
    "03 DIRFILE": refused(
        files.with_meta_replaced(PLAIN, meta(files.EXPLICIT + "\0", b"1.2.840.10008.1.3.10")), "dicomdir", "a DICOMDIR"
    ),
    "03 packed.zip": refused(b"PK\3\4" + PLAIN, "not_dicom", "unpack it first"),
    "04 empty": refused(b"", "empty_file", "the file is empty"),
    "05 cut": refused(PLAIN[:-100], "pixel_data_short", "short by 100 bytes"),
    "05 cut within the header": refused(PLAIN[: files.data_set_start(PLAIN) + 20], "no_pixel_data", "or was cut"),
    "06 cut, JPEG-LS": refused(
        files.compressed_file(files.jpeg_ls_codestream(PIXELS), PIXELS, files.JPEG_LS)[:-300],
        "pixel_data_short", "compressed pixel data short by at least",
    ),
    "06 cut, RLE": refused(
        files.compressed_file(files.rle_codestream(PIXELS), PIXELS, files.RLE)[:-9], "pixel_data_short", "short"
    ),
    "07 no preamble": refused(PLAIN[files.data_set_start(PLAIN) :], "no_file_meta", "no preamble"),
    "07 no meta": refused(files.with_meta_replaced(PLAIN, b""), "no_file_meta", "no meta information"),
    "08 no syntax": refused(
        files.with_meta_replaced(PLAIN, files.meta_element(2, b"UI", b"1.2\0")),
        "no_transfer_syntax", "does not name its transfer syntax",
    ),
    "09 .53": refused(
        files.with_meta_replaced(PLAIN, meta("1.2.840.10008.1.2.4.53")), "transfer_syntax", "1.2.840.10008.1.2.4.53"
    ),
    "09 JPEG XL": refused(
        files.with_meta_replaced(PLAIN, meta("1.2.840.10008.1.2.4.110")), "transfer_syntax", "1.2.840.10008.1.2.4.110"
    ),
    "09 12-bit progressive": refused(
        files.compressed_file(
            TWELVE_BIT_SAMPLE.replace(b"\xff\xc1", b"\xff\xc2"), np.zeros((32, 32), np.uint16), files.JPEG_EXTENDED
        ),
        "jpeg_process", "JPEG progressive",
    ),
    "10 no pixels": refused(ct_file(PixelData=None), "no_pixel_data", "no pixel data"),
    "10 empty pixels": refused(ct_file(PixelData=b""), "no_pixel_data", "pixel data is empty"),
    "11 no rows": refused(ct_file(Rows=None), "rows_columns", "Rows or Columns are missing"),
    "11 two rows": refused(ct_file(Rows=[64, 64]), "rows_columns", "not single numbers"),
    "12 vast": refused(ct_file(Rows=65535, Columns=65535), "rows_columns", "65535 x 65535 pixels claimed"),
    "12 frames": refused(ct_file(NumberOfFrames=100_000), "multi_frame", "100000 frames"),
    "13 bomb": refused(files.deflated_file(bytes(2**26 + 1)), "inflated_size", "grows beyond"),
    "14 nested": refused(within_header(files.nested_sequences(50_000)), "nested_sequences", "nested too deeply"),
    "16 too dense": refused(ct_file(RescaleIntercept=5000), "implausible_pixels", "0% of its pixels read as tissue"),
    "16 nonsense": refused(ct_file(RescaleIntercept=-9000), "implausible_pixels", "% of its pixels lie outside"),
    "17 offset lost": kept(ct_file(files.UNSIGNED, RescaleIntercept=0, BitsStored=12, HighBit=11), "no_air"),
    "16 one unit": kept(ct_file(RescaleSlope="1e-6"), "implausible_hu"),
    "17 wrapped": kept(ct_file(wrapped(), BitsStored=12, HighBit=11, RescaleIntercept=0), "intercept_repaired"),
    "18 padding": kept(ct_file(padded(), RescaleIntercept=0)),
    "19 MONOCHROME1": kept(ct_file(PhotometricInterpretation="MONOCHROME1"), "monochrome1_ct"),
    "20 no window": kept(ct_file(WindowCenter=None, WindowWidth=None)),
    "20 two windows": kept(ct_file(WindowCenter=[35, 700], WindowWidth=[80, 3200])),
    "21 MR": refused(ct_file(Modality="MR"), "modality", "modality MR, not CT"),
    "21 SR": refused(ct_file(Modality="SR", PixelData=None), "modality", "modality SR"),
    "21 SEG": refused(ct_file(Modality="SEG"), "modality", "modality SEG"),
    "21 page": refused(
        ct_file(SamplesPerPixel=3, PhotometricInterpretation="RGB", PixelData=bytes(64 * 64 * 3)), "colour", "colour"
    ),
    "22 scout": refused(ct_file(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer", "scout view"),
    "23 labelled spine": kept(ct_file(BodyPartExamined="CSPINE"), "body_part_unexpected"),
    "29 enhanced": refused(
        ct_file(SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1"), "multi_frame", "enhanced multi-frame CT in one file; split"
    ),
    "21 dose page": refused(ct_file(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "secondary_capture", "Secondary Capture"),
    "21 iodine map": refused(ct_file(RescaleType="MGML"), "rescale_type", "RescaleType is MGML, not HU"),
    "mirrored": kept(ct_file(ImageOrientationPatient=[-1, 0, 0, 0, 1, 0]), "turned"),
    "high pixels": kept(ct_file(PixelSpacing=[1, 0.5]), "resampled"),
    "palette": refused(ct_file(PhotometricInterpretation="PALETTE COLOR"), "colour", "colour"),
    "no slope": kept(ct_file(RescaleSlope=None), "rescale_missing"),
    "empty slope": kept(ct_file(RescaleSlope=""), "rescale_missing"),
    "no intercept": kept(ct_file(files.head_hu(), RescaleIntercept=None), "rescale_missing"),
    "slope NaN": refused(with_value(b"123.25", b"NaN   ", RescaleSlope=123.25), "rescale", "slope nan"),
    "slope text": refused(with_value(b"123.25", b"abcdef", RescaleSlope=123.25), "rescale", "slope nan"),
    "slope 1e9": refused(ct_file(RescaleSlope=1e9), "rescale", "slope 1e+09"),
    "no position": kept(ct_file(ImagePositionPatient=None), "position_missing"),
    "empty position": kept(ct_file(ImagePositionPatient=""), "position_missing"),
    "position beyond the Moon": kept(ct_file(ImagePositionPatient=["1e300", 0, 0]), "position_missing"),
    "no patient": kept(ct_file(PatientID=None), "patient_id_missing"),
    "empty patient": kept(ct_file(PatientID=""), "patient_id_missing"),
    "no series": kept(ct_file(SeriesInstanceUID=None), "series_uid_missing"),
    "empty series": kept(ct_file(SeriesInstanceUID=""), "series_uid_missing"),
    "negative spacing": kept(ct_file(PixelSpacing=[-0.5, 0.5]), "pixel_spacing_missing"),
    "constant": kept(ct_file(np.full((64, 64), 1064, np.int16)), "constant"),
    "all air": kept(ct_file(np.arange(4096, dtype=np.int16).reshape(64, 64) % 40), "no_tissue"),
    "8 bits": kept(ct_file(SMALL, RescaleIntercept=-100), "no_air"),
    "8 bits, odd length": kept(ct_file(np.arange(15, dtype=np.uint8).reshape(3, 5), RescaleIntercept=0), "no_air"),
    "8 bits, signed": kept(ct_file(np.arange(-128, 128, dtype=np.int8).reshape(16, 16), RescaleIntercept=0), "no_air"),
    "32 bits": refused(ct_file(PIXELS.astype(np.int32)), "bits", "32 bits allocated"),
    "overlay alone": refused(
        within_header(struct.pack("<HH2sHL", 0x6000, 0x3000, b"OW", 0, 512) + bytes(512))[: 900],
        "no_pixel_data", "no pixel data",
    ),
    "wrong syntax": refused(
        files.compressed_file(files.jpeg_ls_codestream(PIXELS), PIXELS, files.JPEG_2000), "codestream", "JPEG 2000"
    ),
    "not RLE": refused(
        files.compressed_file(files.jpeg_codestream(SMALL), SMALL, files.RLE), "unreadable", "decoding RLE failed"
    ),
    "endless element": refused(
        within_header(struct.pack("<HH2sHL", 9, 0x1001, b"OB", 0, 0x7FFFFFFF)), "no_pixel_data", "or was cut"
    ),
    "private tags": kept(
        within_header(b"".join(struct.pack("<HH2sH8s", 9, 0x1000 + n, b"LO", 8, b"private ") for n in range(3000)))
    ),
    "instance number of 30 digits": kept(
        PLAIN.replace(b"\x20\0\x13\0IS\2\x007 ", b"\x20\0\x13\0IS\x1e\0" + b"9" * 30)
    ),
    "modality of another kind": refused(
        PLAIN.replace(b"\x08\0\x60\0CS", b"\x08\0\x60\0SQ"), "no_pixel_data", "or was cut"
    ),
    "sop uid that leads elsewhere": kept(ct_file(SOPInstanceUID="../../x")),
    "sop uid of 300 digits": kept(ct_file(SOPInstanceUID="1" * 300)),
    "sop uid CON": kept(ct_file(SOPInstanceUID="CON")),
    "no sop uid": kept(ct_file(SOPInstanceUID=""), "sop_uid_missing"),
    "series uid for a shell": kept(ct_file(SeriesInstanceUID="$(touch pwned)", StudyInstanceUID=";rm -rf .")),
    "upper.DCM": kept(PLAIN),
    "folder.dcm/inside": kept(PLAIN),
    "with blanks 'and' \"quotes\" $(touch pwned)": kept(PLAIN),
    "ünï ☃.dcm": kept(PLAIN),
    "=cmd|' /C calc'!A0": refused(b"x", "not_dicom", "not DICOM"),
    "line\nbreak\r=1+1": refused(b"x", "not_dicom", "not DICOM"),
    "<script>alert(1)": refused(b"x", "not_dicom", "not DICOM"),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The preparation of a folder with every bad file, and with what is no file at all."""
    top = tmp_path_factory.mktemp("bad")
    for number, (name, case) in enumerate(CASES.items()):
        path = top / "ct" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(apart(case.content, number))
    with (top / "ct" / "sparse").open("wb") as sparse:
        sparse.truncate(2 * 2**30)
    (top / "secret.dcm").write_bytes(PLAIN)
    (top / "ct" / "link").symlink_to(top / "secret.dcm")
    (top / "ct" / "loop").symlink_to(top / "ct")
    os.mkfifo(top / "ct" / "pipe")
    return prepare(top / "ct", work_at(top / "work"))


@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_has_its_outcome_and_costs_itself_alone(outcome: Outcome, name: str) -> None:
    case = CASES[name]
    if case.flags is None:
        shown = {"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "line\nbreak\r=1+1": r"line\nbreak\r=1+1"}.get(name, name)
        row = outcome.rejected.loc[shown]
        assert (row["reason"], case.message in row["message"]) == (case.code, True)
        assert name not in outcome.slices.index
    else:
        assert outcome.slices.loc[name, "flags"] == case.flags


def test_nothing_else_is_in_the_tables_and_nothing_ran(outcome: Outcome) -> None:
    assert len(outcome.slices) + len(outcome.rejected) == len(CASES) + 1
    assert outcome.rejected.loc["sparse", "reason"] == "file_too_large"
    assert "pwned" not in {path.name for path in (*Path.cwd().iterdir(), *outcome.work.folder.rglob("*"))}


def test_every_output_stays_in_the_work_folder_under_a_name_of_its_own_making(outcome: Outcome) -> None:
    images = list((outcome.work.folder / "data/own/images").rglob("*.*"))
    assert len(images) == len(outcome.slices)
    assert all(set(path.stem) <= set("ID_0123456789abcdef") for path in images)


def test_values_are_right_where_they_were_repaired_padded_or_narrow(outcome: Outcome) -> None:
    extremes = outcome.slices[["hu_min", "hu_max"]]
    assert extremes.loc["17 wrapped"].tolist() == [-1000, 1200]
    assert extremes.loc["18 padding"].tolist() == [-1024, 1200]
    assert extremes.loc["19 MONOCHROME1"].tolist() == [-1000, 1200]
    assert extremes.loc["8 bits"].tolist() == [-76, 155]
    assert extremes.loc["8 bits, signed"].tolist() == [-128, 127]
    box = outcome.slices.loc["all air", ["x0", "y0", "x1", "y1"]]
    assert box.tolist() == [0, 0, 64, 64]


def test_links_and_pipes_are_counted_and_not_followed(
    outcome: Outcome, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    assert not outcome.slices.index.str.contains("secret|link|loop|pipe").any()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hounsfield.core.logs.logger.propagate", True)
        own_source([outcome.folder], None, tmp_path, {})
    assert "2 links are not followed; the first: 'link'" in caplog.text
    assert "1 pipes, sockets or devices are not followed; the first: 'pipe'" in caplog.text
