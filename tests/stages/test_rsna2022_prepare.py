"""Stage 51 on the small archive: volumes and tables, kills, and what is done a second time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from neck_preparations import NAMES, files_of, rejected, run, without_processes

from hounsfield.competitions.rsna2022 import joining, preparation
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.errors import BadInput
from hounsfield.core.storage.arrays import array_number
from hounsfield.core.storage.volumes import open_volume
from hounsfield.spine.config import IntensityConfig, WindowsConfig
from hounsfield.spine.slice_window_data import WindowKind, Windows, WindowStudy
from hounsfield.spine.stages import prepare as stage
from killed_runs import killed_at
from neck_files import (
    COLUMNS,
    ROWS,
    slice_hu,
    small_archive,
    vertebrae_labels,
    write_files,
)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    without_processes(monkeypatch)


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


@pytest.mark.slow
def test_a_run_killed_again_and_again_while_it_joins_goes_on_to_the_same_bytes(tmp_path: Path, prepared: Path) -> None:
    """Before the first volume, before its record, between volumes, while slices are removed, before the last record."""
    for place, call in [
        ("write_volume", 1),
        ("write_json", 1),
        ("write_volume", 2),
        ("image_path", 13),
        ("write_json", 2),
    ]:
        with killed_at(call, joining, place):
            run(tmp_path / "work", "--archive", prepared / "necks.zip")
    run(tmp_path / "work", "--archive", prepared / "necks.zip")
    assert files_of(tmp_path / "work") == files_of(prepared / "work")


def test_a_slice_damaged_before_it_is_joined_is_named_and_made_again(tmp_path: Path, prepared: Path) -> None:
    work = tmp_path / "work"
    with killed_at(2, joining, "write_volume"):
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
def test_published_folds_are_taken_and_a_study_that_they_lack_is_left_out(tmp_path: Path, prepared: Path) -> None:
    folds = tmp_path / "folds.csv"
    folds.write_text("StudyInstanceUID,fold\n1.2.1,1\n1.2.2,1\n1.2.3,0\n")
    studies, _ = run(tmp_path / "work", "--archive", prepared / "necks.zip", "--folds-table", folds)
    assert studies["fold"].to_dict() == {"1.2.1": 1, "1.2.2": 1, "1.2.3": 0, "1.2.5": -1}
    assert rejected(tmp_path / "work") == {"no_fold": 9}
