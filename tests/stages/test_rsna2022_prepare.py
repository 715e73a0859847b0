"""Stage 51 on small series: volumes and tables, what is left out and why, kills, and what is done a second time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest

from hounsfield.competitions.rsna2022 import joining, preparation, segmentations
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.intake import prepare_files
from hounsfield.core.storage.arrays import array_number
from hounsfield.core.storage.volumes import open_volume
from hounsfield.spine.config import IntensityConfig, WindowsConfig
from hounsfield.spine.stages import prepare as stage
from hounsfield.spine.window_data import WindowKind, Windows, WindowStudy
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
from programs import run_program

CONFIG = "data_set: necks\nfolds: [0, 1]\nprepare: {fold_count: 2}\n"
NAMES = [f"1.2.{n}" for n in range(1, 6)]  # of the small archive's studies


def run(work: Path, *arguments: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prepare with one process; returns the tables of studies, by study, and of slices."""
    work.mkdir(exist_ok=True)
    (work / "mini.yaml").write_text(CONFIG)
    run_program("rsna2022_prepare", "--config", work / "mini.yaml", "--work", work, "--jobs", 1, *arguments)
    data = work / "data" / "necks"
    return pd.read_parquet(data / "studies.parquet").set_index("study_uid"), pd.read_parquet(data / "slices.parquet")


def files_of(work: Path) -> dict[str, bytes]:
    """What the stage left, but its journal and lock."""
    folder = work / "data" / "necks"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "parts" not in path.parts and path.name not in (".lock", "output.json")
    }


def rejected(work: Path) -> dict[str, int]:
    return pd.read_csv(work / "data" / "necks" / "rejected.csv")["reason"].value_counts().to_dict()


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work without a pool of processes, which takes longer to start than these files to read."""

    def at_once(work: Callable[[Any], Any], chunks: Iterable[Any], _refuse: object, **_pool: object) -> Iterator[Any]:
        return map(work, chunks)

    for module in (prepare_files, segmentations):
        monkeypatch.setattr(module, "run_chunks", at_once)


@pytest.fixture(scope="module")  # made before the other, and so with processes
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small archive as a zip, prepared."""
    top = tmp_path_factory.mktemp("necks")
    run(top / "work", "--archive", write_files(top / "necks.zip", small_archive()))
    return top


def tables(top: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    data = top / "work" / "data" / "necks"
    return pd.read_parquet(data / "studies.parquet").set_index("study_uid"), pd.read_parquet(data / "slices.parquet")


def test_volumes_run_from_head_to_feet_in_hounsfield_units_whichever_way_files_are_numbered(prepared: Path) -> None:
    studies, slices = tables(prepared)
    assert studies["z_direction"].tolist() == [-1, 1, -1, 1, -1]
    for n, study in enumerate(NAMES):
        volume = open_volume(volume_path(prepared / "work", "necks", study))
        assert (volume == np.stack([slice_hu(s, n) for s in range(9)])).all()
        assert studies.loc[study, "volume_digest"] == array_number(volume)
    assert slices.groupby("study_uid")["z_mm"].apply(lambda z: z.is_monotonic_decreasing).all()
    assert slices["slice"].tolist() == list(range(9)) * 5
    assert slices["slice_number"].tolist()[:18] == [*range(1, 10), *range(9, 0, -1)]


def test_the_table_of_studies_holds_splits_labels_folds_and_geometry(prepared: Path) -> None:
    studies, _ = tables(prepared)
    assert studies["split"].tolist() == ["train"] * 4 + ["test"]
    assert studies.loc["1.2.1", ["patient_overall", "C2", "C7", "C3"]].tolist() == [1, 1, 1, 0]
    assert studies.loc["1.2.5", ["patient_overall", "C1"]].isna().all()
    assert studies.loc["1.2.5", "fold"] == -1
    assert set(studies["fold"][:4]) == {0, 1}
    assert studies["fold"]["1.2.1"] != studies["fold"]["1.2.3"]  # the two fractured ones
    assert studies[["slices", "rows", "columns"]].drop_duplicates().values.tolist() == [[9, ROWS, COLUMNS]]
    assert studies[["row_spacing_mm", "column_spacing_mm", "slice_spacing_mm"]].drop_duplicates().values.tolist() == [
        [2, 2, 3]
    ]
    assert set(studies["flags"]) == {"few_slices"}
    assert studies["patient_id"].str.fullmatch("ID_[0-9a-f]{12}").all()


def test_slices_of_a_segmented_study_hold_boxes_voxels_and_ratios_and_others_nothing(prepared: Path) -> None:
    studies, slices = tables(prepared)
    assert studies["has_segmentation"].tolist() == [True, False, False, False, False]
    labels = np.where(vertebrae_labels(9) > 7, 0, vertebrae_labels(9))
    own = slices[slices["study_uid"] == "1.2.1"]
    assert own["has_box"].tolist() == labels.any(axis=(1, 2)).astype(int).tolist()
    assert own[[f"C{n}_voxels" for n in range(1, 8)]].values.tolist() == [
        [(one == n).sum() for n in range(1, 8)] for one in labels
    ]
    assert own[[f"C{n}_ratio" for n in range(1, 8)]].max().tolist() == [1.0] * 7
    assert own[["x0", "y0", "x1", "y1"]].iloc[1].tolist() == [5, 6, 10, 8]
    assert own[["x0", "C1_ratio"]].iloc[0].isna().tolist() == [True, False]
    assert slices[slices["study_uid"] != "1.2.1"][["has_box", "C1_voxels", "C1_ratio", "x0"]].isna().all(axis=None)


def test_only_volumes_and_tables_are_left_and_a_second_run_has_nothing_to_do(prepared: Path) -> None:
    work, before = prepared / "work", files_of(prepared / "work")
    assert {Path(name).suffix for name in before} == {".npy", ".json", ".csv", ".parquet"}
    assert sum(name.endswith(".npy") for name in before) == 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "prepare_files", None)
        run(work, "--archive", prepared / "necks.zip")
    assert files_of(work) == before


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 700)], ids=["lost", "cut short"])
def test_a_lost_or_cut_volume_is_made_again_and_no_other(prepared: Path, damage: Callable[[Path], None]) -> None:
    work, before = prepared / "work", files_of(prepared / "work")
    times = {study: volume_path(work, "necks", study).stat().st_mtime_ns for study in NAMES}
    damage(volume_path(work, "necks", "1.2.3"))
    run(work, "--archive", prepared / "necks.zip")
    assert files_of(work) == before
    changed = [study for study in NAMES if volume_path(work, "necks", study).stat().st_mtime_ns != times[study]]
    assert changed == ["1.2.3"]


def test_each_slice_is_decoded_once_and_what_trains_reads_int16_volumes_alone(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defect 30: every epoch decoded every slice again, as float64, and a scan of headers read the pixels."""
    decoded: list[int] = []

    def counted(content: bytes, **options: Any) -> DicomSlice:
        decoded.append(len(content))
        return read_slice(content, **options)

    monkeypatch.setattr(preparation, "read_slice", counted)
    archive = write_files(tmp_path / "necks.zip", small_archive())
    studies, _ = run(tmp_path / "work", "--archive", archive)
    assert len(decoded) == studies["slices"].sum() == 45
    archive.unlink()
    samples = [
        WindowStudy(study, volume_path(tmp_path / "work", "necks", study), None, np.zeros((9, 7), np.float32))
        for study in studies.index
    ]
    kind = WindowKind(WindowsConfig(slices=9), IntensityConfig(), 32)
    windows = Windows(samples, np.array([[n, 0] for n in range(5)]), kind, (0,), remedy="", volume_remedy="")
    shown = [windows[epoch, row].triplets for epoch in range(2) for row in range(5)]
    assert all(one.any() for one in shown)
    assert len(decoded) == 45
    assert {open_volume(sample.volume).dtype for sample in samples} == {np.dtype("<i2")}


def test_an_archive_that_was_moved_is_known_by_its_bytes(tmp_path: Path, prepared: Path) -> None:
    work = shutil.copytree(prepared / "work", tmp_path / "work")
    moved = shutil.copy(prepared / "necks.zip", tmp_path / "elsewhere.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "prepare_files", None)
        run(work, "--archive", moved)
    assert files_of(work) == files_of(prepared / "work")


def test_an_archive_that_was_unpacked_is_known_by_its_bytes_and_needs_no_force(tmp_path: Path, prepared: Path) -> None:
    work = shutil.copytree(prepared / "work", tmp_path / "work")
    shutil.unpack_archive(prepared / "necks.zip", tmp_path / "unpacked")
    run(work, "--archive", tmp_path / "unpacked")
    for table in ("studies.parquet", "slices.parquet"):
        place = Path("data", "necks", table)
        assert (work / place).read_bytes() == (prepared / "work" / place).read_bytes()


class Killed(BaseException):
    """What ends a run without a word."""


def kill_at(patch: pytest.MonkeyPatch, place: str, call: int) -> None:
    """Let a function that joining uses end the run at its `call`-th call."""
    calls, whole = [], getattr(joining, place)

    def killed(*arguments: Any, **options: Any) -> Any:
        calls.append(place)
        if len(calls) == call:
            raise Killed
        return whole(*arguments, **options)

    patch.setattr(joining, place, killed)


def test_a_run_killed_again_and_again_while_it_joins_goes_on_to_the_same_bytes(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first volume, before its record, between volumes, while slices are removed, before the last record."""
    for place, call in [
        ("write_volume", 1),
        ("write_json", 1),
        ("write_volume", 2),
        ("image_path", 13),
        ("write_json", 2),
    ]:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_at(patch, place, call)
            run(tmp_path / "work", "--archive", prepared / "necks.zip")
    run(tmp_path / "work", "--archive", prepared / "necks.zip")
    assert files_of(tmp_path / "work") == files_of(prepared / "work")


def test_a_slice_damaged_before_it_is_joined_is_named_and_made_again(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, "write_volume", 2)
        run(work, "--archive", prepared / "necks.zip")
    damaged = next((work / "data" / "necks" / "unfinished" / "slices").glob("*/*.npy"))
    damaged.write_bytes(b"")
    with pytest.raises(BadInput, match="run the same command again"):
        run(work, "--archive", prepared / "necks.zip")
    run(work, "--archive", prepared / "necks.zip")
    assert files_of(work) == files_of(prepared / "work")


@pytest.mark.slow
@pytest.mark.parametrize("top", ["", "rsna-2022/"])
def test_an_unpacked_archive_gives_what_the_zip_gives_with_or_without_a_top_folder(
    tmp_path: Path, prepared: Path, top: str
) -> None:
    folder = write_files(tmp_path / "raw", {f"{top}{name}": data for name, data in small_archive().items()})
    studies, slices = run(tmp_path / "work", "--archive", folder)
    expected, expected_slices = tables(prepared)
    assert studies.equals(expected)
    assert slices.drop(columns="path").equals(expected_slices.drop(columns="path"))


def test_reversed_file_names_change_no_volume(tmp_path: Path, prepared: Path) -> None:
    files = small_archive()
    for study in NAMES:
        folder = "test_images" if study == "1.2.5" else "train_images"
        named = [f"{folder}/{study}/{n}.dcm" for n in range(1, 10)]
        contents = [files.pop(name) for name in named]
        files |= dict(zip(named, reversed(contents), strict=True))
    studies, _ = run(tmp_path / "work", "--archive", write_files(tmp_path / "reversed.zip", files))
    before, _ = tables(prepared)
    assert studies["volume_digest"].equals(before["volume_digest"])
    assert studies["z_direction"].equals(-before["z_direction"])


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
    with pytest.raises(BadInput, match=r"rejected\.csv: none of 3 files is usable"):
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


@pytest.mark.slow
def test_published_folds_are_taken_and_a_study_that_they_lack_is_left_out(tmp_path: Path, prepared: Path) -> None:
    folds = tmp_path / "folds.csv"
    folds.write_text("StudyInstanceUID,fold\n1.2.1,1\n1.2.2,1\n1.2.3,0\n")
    studies, _ = run(tmp_path / "work", "--archive", prepared / "necks.zip", "--folds-table", folds)
    assert studies["fold"].to_dict() == {"1.2.1": 1, "1.2.2": 1, "1.2.3": 0, "1.2.5": -1}
    assert rejected(tmp_path / "work") == {"no_fold": 9}
