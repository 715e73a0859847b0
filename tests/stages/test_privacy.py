"""Nothing of a header's text leaves the preparation: all stages run on headers full of an invented patient."""

from __future__ import annotations

import gzip
import logging
import traceback
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pydicom
import pytest

import dicom_files as files
import shipped_files as shipped
from conftest import Work, work_at
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import WrongUse
from programs import MINI_CONFIG, run_program

# An invented patient in every kind of element that may hold text, nested and private ones too.
STUDY, SERIES, SLICE = "1.2.826.0.1.51790344.7", "1.2.826.0.1.8.40000022222333335555577777", "1.2.826.0.1.9.1694810461"
PATIENT: dict[str, object] = {
    "PatientName": "Quijano^Alonso^^Don", "PatientID": "00008052887", "OtherPatientIDs": "M3434343",
    "PatientBirthDate": "19470412", "PatientAddress": "7 Molinos", "PatientMotherBirthName": "Saavedra",
    "PatientTelephoneNumbers": "888776611", "AccessionNumber": "777665544", "StudyID": "777665544",
    "InstitutionName": "Hospital del Toboso", "InstitutionAddress": "Campo de Montiel, Toboso",
    "StationName": "TBSCT07B", "ReferringPhysicianName": "Carrasco^Sanson", "OperatorsName": "Panza^Sancho",
    "StudyDescription": "CT of Quijano", "SeriesDescription": "Alonso, second series", "ProtocolName": "Toboso head",
    "AdditionalPatientHistory": "Found confused below a windmill.", "ImageComments": "Quijano moved",
    "ReasonForStudy": "confused", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": SLICE,
}  # fmt: skip
# Names, numbers, places, words of the history, the UIDs' own parts and the date of birth, in lower case.
SECRETS = (
    b"quijano", b"alonso", b"00008052887", b"m3434343", b"19470412", b"molinos", b"saavedra", b"888776611",
    b"777665544", b"toboso", b"montiel", b"tbsct07b", b"carrasco", b"panza", b"windmill", b"confused", b"51790344",
    b"40000022222333335555577777", b"1694810461", b"dulcinea", b"rocinante",
)  # fmt: skip
PATIENTS = ("", "1", "2")  # added to the patient's number; the last one has no labels
KEY = bytes([2]) * 32  # with which the two labelled patients are in different folds


def below_the_header(picture: pydicom.Dataset, patient: str = "") -> bytes:
    """The picture below a scanner's real header with the invented patient's text."""
    dataset = pydicom.dcmread(shipped.SMALL_CT)
    dataset.update(picture)
    for keyword, value in PATIENT.items():
        setattr(dataset, keyword, value)
    dataset.PatientID += patient
    dataset.StudyInstanceUID += patient
    dataset.SeriesInstanceUID += patient
    dataset.SOPInstanceUID = picture.SOPInstanceUID
    request = pydicom.Dataset()
    request.RequestedProcedureDescription, request.StudyInstanceUID = "asked for by Dulcinea", STUDY
    dataset.RequestAttributesSequence = [request]
    dataset.private_block(0x0009, "GEMS_IDEN_01").add_new(0x30, "LO", "Rocinante")
    return files.write(dataset)


def grey_slice(patient: str, z: float) -> bytes:
    """A head: kept."""
    pixels = np.roll(files.PIXELS, int(z), axis=0)
    plain = files.ct_dataset(pixels, ImagePositionPatient=[0, 0, z], SOPInstanceUID=f"{SLICE}.{int(z)}")
    return below_the_header(plain, patient)


def colour_picture() -> bytes:
    """Refused."""
    pixels = files.PIXELS.astype(np.uint8)
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PixelData": pixels.tobytes() * 3}
    return below_the_header(files.ct_dataset(pixels, SOPInstanceUID=SLICE, PlanarConfiguration=0, **colours))


def damaged_files(original: bytes) -> Iterator[bytes]:
    """The file cut at many places, and with bytes of its header broken."""
    for kept in (300, 1000, 2000, 4000, len(original) // 2, len(original) - 10):
        yield original[:kept]
    for place in (400, 700, 1300, 2100):
        yield original[:place] + b"\xff" * 8 + original[place + 8 :]
    yield original.replace(b"UI", b"??")
    yield original.replace(b"PN", b"SQ")
    yield original.replace(b"\x28\0\x10\0US", b"\x28\0\x10\0PN")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients of three slices, a picture in colour, and damaged files of both kinds."""
    top = tmp_path_factory.mktemp("private") / "ct"
    top.mkdir()
    for patient in PATIENTS:
        for n in range(3):
            (top / f"p{patient}_{n}.dcm").write_bytes(grey_slice(patient, 5.0 * n))
    original = colour_picture()
    (top / "colour").write_bytes(original)
    for n, content in enumerate((*damaged_files(original), *damaged_files(grey_slice("", 99)))):
        (top / f"damaged{n}").write_bytes(content)
    return top


def everything_written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it lies there and, where it is packed, unpacked; names too."""
    for path in sorted(folder.rglob("*")):
        yield "a name", bytes(path.relative_to(folder))
        if not path.is_file():
            continue
        content = path.read_bytes()
        yield path.name, content
        if path.suffix == ".gz":
            yield f"{path.name}, unpacked", gzip.decompress(content)
        if path.suffix == ".parquet":
            table = pq.read_table(BytesIO(content))
            yield f"{path.name}, values", f"{table.to_pydict()} {table.schema.metadata}".encode()


def secrets_in(content: bytes) -> list[bytes]:
    lowered = content.lower()
    return [secret for secret in SECRETS if secret in lowered or secret.decode().encode("utf-16-le") in lowered]


def assert_nothing_is_told(folder: Path, said: str) -> None:
    told = {name: found for name, content in everything_written(folder) if (found := secrets_in(content))}
    assert told == {}
    assert secrets_in(said.encode()) == []


def test_the_secrets_are_in_the_files_to_begin_with(folder: Path) -> None:
    assert secrets_in((folder / "colour").read_bytes()) == list(SECRETS)
    assert secrets_in((folder / "p_0.dcm").read_bytes()) == list(SECRETS)


def test_no_stage_tells_anything_of_a_header_and_no_refused_image_gets_an_answer(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    configuration = tmp_path / "own.yaml"
    configuration.write_text(MINI_CONFIG.read_text().replace("data_set: phantom", "data_set: own"))
    work = work_at(tmp_path / "work", configuration)
    key = work.folder / "data" / "own" / "pseudonyms.key"
    key.parent.mkdir(parents=True)
    key.write_bytes(KEY)
    labels = tmp_path / "labels.csv"
    rows = [f"p{patient}_{n},0,0,0,0,{n % 2},{n % 2}" for patient in PATIENTS[:2] for n in range(3)]
    labels.write_text("\n".join([f"image,{','.join(CLASSES)}", *rows]))
    test = tmp_path / "test.csv"
    test.write_text("image\n" + "\n".join(f"p{PATIENTS[2]}_{n}" for n in range(3)))
    with caplog.at_level(logging.DEBUG):
        inputs = ("--images", folder, "--labels", labels, "--test", test, "--jobs", 1, "--prepare.bad_share", 1)
        run_program("rsna2019_prepare", *work.arguments, *inputs)
        for program in ("train_classifier", "extract_embeddings", "train_sequence"):
            run_program(f"hemorrhage_{program}", *work.arguments, "--fold", 0)
        run_program("hemorrhage_bag", *work.arguments, "--fold", 0)
        run_program("hemorrhage_export_embeddings", *work.arguments, "--fold", 0)
    output = capfd.readouterr()
    assert_nothing_is_told(work.folder, output.out + output.err + caplog.text)
    answered(work)


def answered(work: Work) -> None:
    """The answers are those of the kept slices without labels; of the refused files there is none."""
    findings = pd.read_csv(work.folder / "preds/hemorrhage/own/findings.csv")
    slices = pd.read_parquet(work.folder / "data/own/slices.parquet").set_index("path")
    rejected = pd.read_csv(work.folder / "data/own/rejected.csv")
    assert set(findings["file"]) == set(slices.index[slices["split"] == "test"]) >= {"p2_0.dcm", "p2_1.dcm", "p2_2.dcm"}
    assert set(findings["file"]).isdisjoint(rejected["path"])
    submission = pd.read_csv(work.folder / "preds/hemorrhage/own/submission.csv.gz")
    assert len(submission) == 6 * len(findings)
    assert rejected.set_index("path").loc["colour", "reason"] == "colour"


def test_a_stage_that_fails_tells_nothing_either(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "a").write_bytes((folder / "colour").read_bytes())
    work = work_at(tmp_path / "work")
    with pytest.raises(WrongUse, match="the one file is not usable") as caught:
        run_program("rsna2019_prepare", *work.arguments, "--images", tmp_path / "ct", "--data_set", "own")
    output = capfd.readouterr()
    told = "".join(traceback.format_exception(caught.value))
    assert_nothing_is_told(work.folder, output.out + output.err + told)
