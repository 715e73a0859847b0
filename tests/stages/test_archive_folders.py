"""The competition's archive in every spelling of its folders, drawn in miniature: eight training, four test slices."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from conftest import work_at
from dicom_files import ct_file
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.source import competition_source
from hounsfield.core.errors import BadInput
from programs import REPOSITORY, run_program

TOP = "rsna-intracranial-hemorrhage-detection/"
CURRENT = ("stage_2_train", "stage_2_test")  # as Kaggle serves the archive today
OF_2019 = ("stage_2_train_images", "stage_2_test_images")
IDS = [f"ID_{n:09x}" for n in range(12)]
STACKING_CONFIG = REPOSITORY / "tests" / "phantoms" / "mini_stacking.yaml"


def image(n: int) -> bytes:
    """Slice n: two slices for each of six patients, the first four of them labelled."""
    patient = f"ID_{n // 2:08x}"
    identity = {"PatientID": patient, "StudyInstanceUID": patient, "SeriesInstanceUID": patient}
    return ct_file(**identity, SOPInstanceUID=IDS[n], ImagePositionPatient=[0, 0, 5 * n])


def content(folders: tuple[str, str]) -> dict[str, bytes]:
    """The archive's files by their path; folders: those of the training and of the test images."""
    rows = {
        "stage_2_train.csv": [f"{one}_{name},0" for one in IDS[:8] for name in CLASSES],
        "stage_2_sample_submission.csv": [f"{one}_{name},0.5" for one in IDS[8:] for name in CLASSES],
    }
    tables = {name: "\n".join(["ID,Label", *lines, ""]).encode() for name, lines in rows.items()}
    return {f"{folders[n >= 8]}/{one}.dcm": image(n) for n, one in enumerate(IDS)} | tables


def archive_of(files: dict[str, bytes], place: Path, *, top: str = "", packed: bool = True) -> Path:
    """The files as a zip, or as a folder, in `place`."""
    if packed:
        with zipfile.ZipFile(place / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(top + name, data)
        return place / "archive.zip"
    for name, data in files.items():
        path = place / "archive" / (top + name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place / "archive"


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
@pytest.mark.parametrize("top", [TOP, ""], ids=["top", "no_top"])
@pytest.mark.parametrize(
    "folders", [CURRENT, OF_2019, (CURRENT[0], OF_2019[1])], ids=["current", "2019", "one_split_in_either"]
)
def test_each_spelling_of_the_folders_is_read(tmp_path: Path, folders: tuple[str, str], top: str, packed: bool) -> None:
    source = competition_source(archive_of(content(folders), tmp_path, top=top, packed=packed))
    assert {file.name for file in source.files} == {f"{top}{folders[n >= 8]}/{one}.dcm" for n, one in enumerate(IDS)}
    assert sorted(source.labels.index) == IDS[:8]
    assert source.sample.startswith(b"ID,Label")
    assert source.ignored == 2  # the two tables


def test_one_split_in_two_spellings_is_read_from_both_folders(tmp_path: Path) -> None:
    files = content(CURRENT)
    files[f"stage_2_train_images/{IDS[0]}.dcm"] = files.pop(f"stage_2_train/{IDS[0]}.dcm")
    source = competition_source(archive_of(files, tmp_path, top=TOP))
    assert len(source.files) == 12
    assert sorted(source.labels.index) == IDS[:8]


@pytest.mark.parametrize("folders", [CURRENT, OF_2019], ids=["current", "2019"])
def test_training_images_without_labels_are_named_in_each_spelling(tmp_path: Path, folders: tuple[str, str]) -> None:
    files = content(folders) | {f"{folders[0]}/ID_fffffffff.dcm": b""}
    with pytest.raises(BadInput, match=r"archive\.zip: 1 training images without labels.*ID_fffffffff"):
        competition_source(archive_of(files, tmp_path))


def test_an_image_in_the_folders_of_both_spellings_is_refused_by_name(tmp_path: Path) -> None:
    archive = archive_of(content(CURRENT) | content(OF_2019), tmp_path)
    with pytest.raises(BadInput, match=rf"archive\.zip: 12 image identifiers occur twice.*{IDS[0]}.*Leave one file"):
        competition_source(archive)


def test_an_archive_with_other_folders_is_refused_naming_both_spellings(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"archive\.zip: no \.dcm file in") as refused:
        competition_source(archive_of(content(("train", "test")), tmp_path))
    assert all(f"{name}/" in str(refused.value) for name in (*CURRENT, *OF_2019))


@pytest.mark.parametrize(
    ("folders", "top", "packed"), [(CURRENT, TOP, True), (OF_2019, "", False)], ids=["current_zip", "2019_folder"]
)
def test_both_systems_prepare_eight_training_and_four_test_slices(
    tmp_path: Path, folders: tuple[str, str], top: str, packed: bool
) -> None:
    archive = archive_of(content(folders), tmp_path, top=top, packed=packed)
    work, source = tmp_path / "work", ("--archive", archive, "--jobs", 1)
    run_program("rsna2019_prepare", *work_at(work).arguments, *source)
    rows = pd.read_parquet(work / "data/phantom/slices.parquet").set_index("image_id")
    assert rows["split"].sort_index().to_dict() == dict.fromkeys(IDS[:8], "train") | dict.fromkeys(IDS[8:], "test")
    everything = ("--data.brain_diff_above", -1)  # the drawn slices show no brain
    run_program("stacking_data", *work_at(work, STACKING_CONFIG).arguments, *source, *everything)
    rows = pd.read_parquet(work / "data/phantom/stacking/mini_stacking/slices.parquet").set_index("image_id")
    assert set(rows.index[rows["hu_crc32"].notna()]) == set(IDS)
