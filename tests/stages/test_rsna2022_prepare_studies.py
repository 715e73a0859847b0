"""Stage 51 on studies that come, go, are odd, or fit no table: used and flagged, or left out and named."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from neck_preparations import NAMES, files_of, rejected, run, without_processes

from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.storage.volumes import open_volume
from hounsfield.spine.stages import prepare as stage
from neck_files import (
    COLUMNS,
    ROWS,
    fractured,
    labels_csv,
    neck,
    slice_hu,
    small_archive,
    study_files,
    usual_nifti,
    vertebrae_labels,
    write_files,
)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    without_processes(monkeypatch)


@pytest.mark.slow
def test_new_studies_in_the_same_folder_are_added_without_force_and_joined_ones_are_not_prepared_again(
    tmp_path: Path,
) -> None:
    work, folder = tmp_path / "work", tmp_path / "ct"
    write_files(folder, study_files("a", "x", neck(6, "1.2.1")))
    first, _ = run(work, "--images", folder)
    time = volume_path(work, "necks", first.index[0]).stat().st_mtime_ns
    write_files(folder, study_files("b", "y", neck(5, "1.2.2")))
    both, _ = run(work, "--images", folder)
    assert len(both) == 2
    assert volume_path(work, "necks", first.index[0]).stat().st_mtime_ns == time
    write_files(folder, study_files("a", "x", {7: neck(7, "1.2.1")[7]}))  # one more slice of the first
    grown, _ = run(work, "--images", folder)
    assert sorted(grown["slices"]) == [5, 7]
    assert open_volume(volume_path(work, "necks", first.index[0])).shape == (7, ROWS, COLUMNS)


@pytest.mark.slow
def test_a_study_that_has_gone_goes_with_its_volume_when_forced(tmp_path: Path) -> None:
    work, folder = tmp_path / "work", tmp_path / "ct"
    write_files(folder, {**study_files("a", "x", neck(6, "1.2.1")), **study_files("a", "y", neck(5, "1.2.2"))})
    run(work, "--images", folder)
    shutil.rmtree(folder / "a" / "y")
    with pytest.raises(StaleOutput, match="files"):
        run(work, "--images", folder)
    studies, _ = run(work, "--images", folder, "--force")
    assert len(studies) == 1
    assert [path.stem for path in (work / "data" / "necks" / "volumes").glob("*/*.npy")] == list(studies.index)


def test_labels_of_one_s_own_that_fit_no_study_are_refused_and_series_uids_are_named(tmp_path: Path) -> None:
    folder, labels = write_files(tmp_path / "ct", study_files("a", "x", neck(4, "1.2.1"))), tmp_path / "labels.csv"
    for uid, words in (("9.9", "studies; give StudyInstanceUIDs"), ("1.2.1.1", "they are SeriesInstanceUIDs")):
        labels.write_text(labels_csv({uid: fractured("C4")}))
        with pytest.raises(BadInput, match=rf"labels\.csv: none of its 1 rows .*{words}"):
            run(tmp_path / "work", "--images", folder, "--labels", labels, "--force")


def test_one_s_own_series_with_labels_and_segmentations_have_pseudonyms_and_what_fits_nothing_is_named(
    tmp_path: Path,
) -> None:
    series = {f"1.2.{n}": neck(9, f"1.2.{n}", seed=n) for n in range(1, 6)}
    files: dict[str, bytes | str] = {}
    for n, slices in enumerate(series.values()):
        files |= {f"case{n}/IM{number:04d}": data for number, data in slices.items()}
    files |= {"case0/notes.txt": "no slice", "case1/DICOMDIR.bak": b"no slice either"}
    # two series in one folder: the larger one is the study's volume
    files |= {f"case0/second{number}": data for number, data in neck(4, "1.2.1", series="2", seed=50).items()}
    folder = write_files(tmp_path / "ct", files)
    rows = {f"1.2.{n}": fractured("C4") if n % 2 else fractured() for n in range(1, 5)} | {"9.9": fractured()}
    (tmp_path / "labels.csv").write_text(labels_csv(rows))
    masks = {
        "1.2.1.nii": usual_nifti(vertebrae_labels(9)),
        "1.2.2.nii": usual_nifti(vertebrae_labels(9)[:, :10]),  # of another size
        "8.8.nii": usual_nifti(vertebrae_labels(9)),  # of no study
        "1.2.3.nii": b"damaged",
    }
    write_files(tmp_path / "masks", masks)
    own = ("--images", folder, "--labels", tmp_path / "labels.csv", "--segmentations", tmp_path / "masks")
    studies, slices = run(tmp_path / "work", *own)
    assert len(studies) == 5
    assert studies["split"].value_counts().to_dict() == {"train": 4, "test": 1}
    assert studies.index.str.fullmatch("ID_[0-9a-f]{12}").all()
    assert studies["has_segmentation"].sum() == 1
    assert studies["flags"][studies["has_segmentation"]].tolist() == ["few_slices other_series_left_out"]
    assert slices["slice_number"].tolist() == list(range(1, 10)) * 5  # the instance number, as names are no numbers
    assert rejected(tmp_path / "work") == {
        "not_dicom": 2,
        "other_series": 4,
        "segmentation_grid": 1,
        "segmentation_unknown_study": 1,
        "segmentation_unreadable": 1,
    }
    listed = (tmp_path / "work" / "data" / "necks" / "rejected.csv").read_text()
    assert not any(name in listed for name in ("1.2.2", "1.2.3", "8.8"))  # their names are identifiers of headers
    assert "segmentation 4 of 4 by name (ID_" in listed
    unmatched = (tmp_path / "work" / "data" / "necks" / "labels_unmatched.csv").read_text().split()
    assert len(unmatched) == 2
    assert "1.2." not in str(files_of(tmp_path / "work").keys())
    assert unmatched[1].endswith(",6")  # its line in the table; the identifier is not told
    assert "9.9" not in unmatched[1]


def test_odd_studies_are_used_and_flagged_and_what_lies_outside_the_circle_reads_as_air(tmp_path: Path) -> None:
    padded = slice_hu(1) + np.int16(1024)
    padded[[0, -1]] = padded[:, [0, -1]] = -2000  # outside the reconstruction's circle
    metal = slice_hu(2) + np.int16(1024)
    metal[10, 10] = 32767
    doubled = {"RescaleSlope": 2, "RescaleIntercept": -2048}
    gap = neck(8, "1.2.3")
    del gap[4]
    nowhere = neck(5, "1.2.4", ImagePositionPatient=None, SliceLocation=None)
    files = {
        **study_files("a", "one", neck(1, "1.2.1")),
        **study_files("a", "thick", neck(6, "1.2.2", step=5.0)),
        **study_files("a", "gap", gap),
        **study_files("a", "nowhere", nowhere),
        **study_files("a", "air", _of_air("1.2.6")),
        **study_files(
            "a",
            "metal",
            _with(neck(5, "1.2.5", **doubled), {2: padded, 3: metal}),
        ),
        **study_files("a", "size", _with(neck(6, "1.2.7"), {3: np.full((8, 8), 1064, np.int16)})),
    }
    studies, _ = run(tmp_path / "work", "--images", write_files(tmp_path / "ct", files), "--prepare.bad_share", 0.5)
    found = dict(zip(studies["slices"].astype(str) + " " + studies["flags"], studies.index, strict=True))
    assert set(found) == {
        "1 one_slice",
        "6 few_slices thick_slices",
        "7 few_slices slice_missing",
        "5 few_slices order_guessed",
        "4 few_slices all_air",
        "5 few_slices",
        "5 few_slices slice_missing",  # its slice of another size
    }
    volume = open_volume(volume_path(tmp_path / "work", "necks", found["5 few_slices"]))
    assert (volume[1, [0, -1]] == -1024).all()
    assert volume[2, 10, 10] == 32767  # clipped
    assert rejected(tmp_path / "work") == {"other_size": 1}


def _of_air(study: str) -> dict[int, bytes]:
    return _with(neck(4, study), {n: np.full((ROWS, COLUMNS), n, np.int16) for n in range(1, 5)})


def _with(files: dict[int, bytes], pixels: dict[int, np.ndarray]) -> dict[int, bytes]:
    """The same series with other stored values in some of its slices."""
    for number, values in pixels.items():
        dataset = pydicom.dcmread(BytesIO(files[number]))
        dataset.Rows, dataset.Columns = values.shape
        dataset.PixelData = values.tobytes()
        buffer = BytesIO()
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
        files[number] = buffer.getvalue()
    return files


def test_training_studies_without_a_row_and_rows_without_a_study_are_listed_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    files = small_archive()
    files |= study_files("train_images", "1.2.6", neck(4, "1.2.6"))  # no row
    files |= study_files("test_images", "1.2.2", neck(4, "1.2.2", seed=9))  # in both folders
    files["train.csv"] = str(files["train.csv"]) + "7.7.7,0,0,0,0,0,0,0,0\n"
    files["segmentations/6.6.nii"] = usual_nifti(vertebrae_labels(9))
    studies, _ = run(tmp_path / "work", "--archive", write_files(tmp_path / "necks.zip", files))
    assert studies.index.tolist() == NAMES
    assert studies.loc["1.2.2", "slices"] == 9
    assert rejected(tmp_path / "work") == {"no_row": 4, "twice_named": 4, "segmentation_unknown_study": 1}
    unmatched = tmp_path / "work" / "data" / "necks" / "labels_unmatched.csv"
    assert unmatched.read_text().split() == ["study_uid,line", "7.7.7,6"]


def test_an_archive_of_which_no_study_can_be_used_is_refused(tmp_path: Path) -> None:
    files = study_files("train_images", "1.2.8", neck(3, "1.2.8")) | {"train.csv": small_archive()["train.csv"]}
    with pytest.raises(WrongUse, match=r"rejected\.csv: none of 3 files is usable"):
        run(tmp_path / "work", "--archive", write_files(tmp_path / "necks.zip", files))
    assert rejected(tmp_path / "work") == {"no_row": 3}


def test_tables_that_cannot_be_meant_stop_the_stage_before_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "prepare_files", None)
    files, archive = small_archive(), tmp_path / "necks.zip"
    files["train.csv"] = str(files["train.csv"]).replace("1.2.2,0,0", "1.2.2,0,1")
    write_files(archive, files)
    with pytest.raises(BadInput, match=r"not the maximum of C1 to C7.*any_overall"):
        run(tmp_path / "work", "--archive", archive)
    folds = tmp_path / "folds.csv"
    folds.write_text("StudyInstanceUID,fold\n1.2.1,5\n")
    with pytest.raises(BadInput, match=r"folds are not 0 to 1 \(prepare.fold_count\)"):
        run(tmp_path / "work", "--archive", archive, "--folds-table", folds, "--prepare.any_overall", "true")
    for options, fact in (
        (("--archive", archive, "--labels", folds), "--labels goes with --images"),
        (("--archive", archive, "--images", tmp_path), "two sources"),
        (("--images", tmp_path, "--data_set", "rsna2022"), "a data set of its own"),
    ):
        with pytest.raises(WrongUse, match=fact):
            run(tmp_path / "work", *options)
    with pytest.raises(MissingInput, match="kaggle competitions download"):
        run(tmp_path / "work")
