"""The preparation of the competition's archive: what it writes, and which archives it refuses."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from preparations import PLAIN, rejected, table

from conftest import Work, work_at
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.errors import BadInput
from hounsfield.core.storage.image_files import image_path, read_image
from programs import run_program
from reference.windows import three_windows


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack the archive below a folder; returns its top folder."""
    with zipfile.ZipFile(archive) as members:
        members.extractall(folder)
    return folder / "rsna-intracranial-hemorrhage-detection"


def test_every_slice_of_the_archive_is_in_the_table_or_among_the_rejects(prepared: Work, phantom_archive: Path) -> None:
    with zipfile.ZipFile(phantom_archive) as archive:
        names = {name for name in archive.namelist() if name.endswith(".dcm")}
    assert set(table(prepared)["path"]) | set(rejected(prepared)["path"]) == names


def test_the_truncated_file_costs_itself_alone_and_is_listed_with_the_reason(prepared: Work) -> None:
    found = rejected(prepared)
    assert found["reason"].tolist() == ["pixel_data_short"]
    assert "short by" in found["message"][0]


def test_a_prepared_image_is_the_published_one(prepared: Work, phantom_archive: Path) -> None:
    rows = table(prepared)
    rows = rows[~rows["intercept_repaired"]]
    with zipfile.ZipFile(phantom_archive) as archive:
        for row in rows.iloc[::7].itertuples():
            slice_ = read_slice(archive.read(row.path))
            expected = three_windows(slice_.stored * slice_.slope + slice_.intercept)
            jpeg = cv2.imdecode(cv2.imencode(".jpg", expected)[1], cv2.IMREAD_COLOR)  # quality 95 is the default
            found = read_image(image_path(prepared.folder / "data/phantom/images", row.image_id))
            assert np.array_equal(found, jpeg)
            shown = expected.max(axis=-1) > 0
            assert (row.y0, row.y1) == (np.flatnonzero(shown.any(1))[0], np.flatnonzero(shown.any(1))[-1] + 1)
            assert (row.x0, row.x1) == (np.flatnonzero(shown.any(0))[0], np.flatnonzero(shown.any(0))[-1] + 1)


def test_the_statistics_are_those_of_the_hounsfield_units(prepared: Work, phantom_archive: Path) -> None:
    with zipfile.ZipFile(phantom_archive) as archive:
        for row in table(prepared).iloc[::9].itertuples():
            slice_ = read_slice(archive.read(row.path))
            hu = slice_.stored * slice_.slope + slice_.intercept
            brain = np.clip(hu, 0, 80)
            assert row.hu_mean == pytest.approx(hu.mean(), abs=1e-3)
            assert (row.hu_min, row.hu_max) == (hu.min(), hu.max())
            assert row.brain_diff == brain.max() - brain.min()
            assert row.brain_ratio == pytest.approx(((hu > 0) & (hu < 80)).mean(), abs=1e-6)


def test_wrong_intercepts_are_repaired_by_default_and_left_alone_on_request(
    prepared: Work, phantom_archive: Path, tmp_path: Path
) -> None:
    repaired = table(prepared)
    assert repaired["intercept_repaired"].any()
    assert repaired.loc[repaired["intercept_repaired"], "hu_max"].between(500, 3100).all()
    strict = work_at(tmp_path)
    arguments = ("--archive", phantom_archive, "--jobs", 2, "--prepare.repair_intercept", "false")
    run_program("rsna2019_prepare", *strict.arguments, *arguments)
    assert not table(strict)["intercept_repaired"].any()


def test_patients_are_whole_in_folds_and_in_splits(prepared: Work) -> None:
    rows = table(prepared)
    assert rows.groupby("patient_id")["split"].nunique().eq(1).all()
    assert rows[rows["split"] == "train"].groupby("patient_id")["fold"].nunique().eq(1).all()
    assert rows.loc[rows["split"] == "test", ["fold", *CLASSES]].isna().all(axis=None)


def test_slices_of_a_series_stand_together_in_order_of_position(prepared: Work) -> None:
    rows = table(prepared)
    for _, series in rows.groupby("series"):
        assert (np.diff(series.index) == 1).all()
        assert (np.diff(series["normal_mm"]) > 0).all()


def test_a_second_run_does_nothing_and_says_so(
    prepared: Work, phantom_archive: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (prepared.folder / "data").rglob("*") if path.is_file()}
    run_program("rsna2019_prepare", *prepared.arguments, "--archive", phantom_archive)
    after = {path: path.stat().st_mtime_ns for path in (prepared.folder / "data").rglob("*") if path.is_file()}
    assert {path for path in before if before[path] != after[path] and path.name != ".lock"} == set()
    assert "nothing to do" in capsys.readouterr().err


def test_the_unpacked_folder_gives_the_same_table_as_the_zip(
    prepared: Work, phantom_archive: Path, tmp_path: Path
) -> None:
    work = work_at(tmp_path / "work")
    run_program("rsna2019_prepare", *work.arguments, "--archive", unpacked(phantom_archive, tmp_path), "--jobs", 2)
    columns = [name for name in table(prepared).columns if name not in ("path", "stamp")]
    pd.testing.assert_frame_equal(table(work)[columns], table(prepared)[columns])


def test_a_training_image_without_labels_stops_the_stage_by_name(phantom_archive: Path, tmp_path: Path) -> None:
    top = unpacked(phantom_archive, tmp_path)
    labels = pd.read_csv(io.BytesIO((top / "stage_2_train.csv").read_bytes()))
    first = labels["ID"][0].rsplit("_", 1)[0]
    labels[~labels["ID"].str.startswith(first)].to_csv(top / "stage_2_train.csv", index=False)
    with pytest.raises(BadInput, match=rf"1 training images without labels; the first are \['{first}'\]"):
        run_program("rsna2019_prepare", *work_at(tmp_path / "work").arguments, "--archive", top)


def test_training_images_without_a_label_table_stop_the_stage(phantom_archive: Path, tmp_path: Path) -> None:
    top = unpacked(phantom_archive, tmp_path)
    (top / "stage_2_train.csv").unlink()
    with pytest.raises(BadInput, match=r"training images and no stage_2_train\.csv"):
        run_program("rsna2019_prepare", *work_at(tmp_path / "work").arguments, "--archive", top)


def test_an_identifier_that_occurs_twice_in_the_archive_stops_the_stage(phantom_archive: Path, tmp_path: Path) -> None:
    top = unpacked(phantom_archive, tmp_path)
    twin = next((top / "stage_2_train").iterdir())
    shutil.copy(twin, top / "stage_2_test" / twin.name)
    with pytest.raises(BadInput, match=rf"1 image identifiers occur twice; the first are \['{twin.stem}'\]"):
        run_program("rsna2019_prepare", *work_at(tmp_path / "work").arguments, "--archive", top)


def test_an_archive_as_it_is_found_gives_the_same_slices(phantom_archive: Path, prepared: Work, tmp_path: Path) -> None:
    found = tmp_path / "DOWNLOAD.ZIP"
    with zipfile.ZipFile(phantom_archive) as source, zipfile.ZipFile(found, "w") as archive:
        for name in source.namelist():
            top, *rest = name.split("/")
            odd = "\\".join([top, top, *rest]).replace("stage_2_train\\ID", "stage_2_train\\part\\ID")
            archive.writestr(odd.replace(".dcm", ".DCM"), source.read(name))
        archive.writestr("more.zip", b"PK\5\6")
    work = work_at(tmp_path / "work")
    run_program("rsna2019_prepare", *work.arguments, "--archive", found, "--jobs", 2)
    pd.testing.assert_frame_equal(table(work).drop(columns="path"), table(prepared).drop(columns="path"))


def test_a_competition_s_zip_may_hold_what_a_mac_adds_and_names_that_lead_elsewhere(
    phantom_archive: Path, prepared: Work, tmp_path: Path
) -> None:
    archive = tmp_path / "again.zip"
    archive.write_bytes(phantom_archive.read_bytes())
    with zipfile.ZipFile(archive, "a") as added:
        image = next(name for name in added.namelist() if name.endswith(".dcm"))
        folder, name = image.rsplit("/", 1)
        added.writestr(f"__MACOSX/{folder}/._{name}", b"Mac OS X attributes")
        added.writestr("../../outside.dcm", PLAIN)
        added.writestr("/outside.dcm", PLAIN)
        added.writestr("C:\\outside.dcm", PLAIN)
    work = work_at(tmp_path / "deep" / "er" / "work")
    run_program("rsna2019_prepare", *work.arguments, "--archive", archive, "--jobs", 1)
    found = pd.read_parquet(work.folder / "data/phantom/slices.parquet")
    assert found.equals(pd.read_parquet(prepared.folder / "data/phantom/slices.parquet"))
    assert list(tmp_path.rglob("outside*")) == []


def test_an_archive_of_archives_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner/rsna.ZIP", b"PK\5\6")
    with pytest.raises(BadInput, match=r"1 archive within it is not opened; the first: 'inner/rsna\.ZIP'\. Unpack"):
        run_program("rsna2019_prepare", *work_at(tmp_path / "work").arguments, "--archive", tmp_path / "a.zip")
