"""Stage 41 on the phantoms: images in Hounsfield units, the table, and what is refused."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from shell_tree import Tree

from conftest import Work, copy_work, work_at
from dicom_files import ct_file
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import PREPARE
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA
from hounsfield.core import logs
from hounsfield.core.dicom.reader import read_slice
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.intake import prepare_files
from hounsfield.core.intake.journal import Journal
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.storage.tables import write_table
from hounsfield.stacking.hu_images import hu_path, read_hu
from programs import REPOSITORY, held_by_another_process, run_program, work_of

CONFIG = REPOSITORY / "tests" / "phantoms" / "mini_stacking.yaml"
DATA = Path("data") / "phantom"
TABLE = DATA / "stacking" / "mini_stacking" / "slices.parquet"


def in_turn(work: Callable[..., object], chunks: Iterable[object], refuse: object, **_: object) -> Iterator[object]:
    return map(work, chunks)


def run_stage(work: Work, archive: Path, *extra: object, run: Callable[..., Iterator[object]] = in_turn) -> None:
    """The stage within the test's own process, in chunks of eight files. run: in place of the pool of processes."""
    arguments = (*work_at(work.folder, CONFIG).arguments, "--archive", archive, *extra)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare_files, "run_chunks", run)
        stage = work_of("stacking_data")
        patch.setattr(stage, "prepare_files", partial(stage.prepare_files, files_per_chunk=8))
        run_program("stacking_data", *arguments)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, prepared: Work, phantom_archive: Path) -> Work:
    """The phantoms after stage 41. Tests that change something copy it first."""
    work = work_at(tmp_path_factory.mktemp("stored") / "work", CONFIG)
    copy_work(prepared, work)
    run_program("stacking_data", *work.arguments, "--archive", phantom_archive, "--jobs", 2)
    return work


@pytest.fixture
def changing(tmp_path: Path, stored: Work) -> Work:
    """A copy to change."""
    work = work_at(tmp_path / "work", CONFIG)
    copy_work(stored, work)
    return work


@pytest.fixture
def unpacked(tmp_path: Path, phantom_archive: Path) -> Path:
    """The archive as a folder, whose files can be changed."""
    with zipfile.ZipFile(phantom_archive) as archive:
        archive.extractall(tmp_path / "raw")
    return tmp_path / "raw"


def table(work: Work) -> pd.DataFrame:
    return pd.read_parquet(work.folder / TABLE)


def slices(work: Work) -> pd.DataFrame:
    return pd.read_parquet(work.folder / DATA / "slices.parquet")


def images(work: Work) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (work.folder / DATA / "hu").rglob("*.jls")}


def test_every_slice_that_shows_brain_is_stored_in_hounsfield_units(stored: Work, phantom_archive: Path) -> None:
    rows = table(stored).merge(slices(stored)[["image_id", "path", "intercept_repaired"]], on="image_id")
    assert rows["image_id"].tolist() == slices(stored)["image_id"].tolist()
    assert rows["hu_crc32"].notna().tolist() == (rows["brain_diff"] > 60).tolist()
    kept = rows[rows["hu_crc32"].notna()]
    assert set(images(stored)) == set(kept["image_id"])
    assert kept["intercept_repaired"].any()
    with zipfile.ZipFile(phantom_archive) as archive:
        for row in kept.iloc[::3].itertuples():
            slice_ = read_slice(archive.read(row.path))
            expected = np.clip(np.rint(slice_.stored * slice_.slope + slice_.intercept), -150, 230)
            found = read_hu(hu_path(stored.folder / DATA / "hu", row.image_id), int(row.hu_crc32), remedy="")
            assert np.array_equal(found, expected)


def test_patients_are_whole_in_the_folds(stored: Work) -> None:
    rows = table(stored)
    train = rows["split"] == "train"
    assert set(rows.loc[train, "fold"]) == {0, 1}
    assert rows[train].groupby("patient_id")["fold"].nunique().eq(1).all()
    assert rows.loc[~train, ["fold", *CLASSES]].isna().all(axis=None)


def test_a_second_run_does_nothing_and_says_so(
    stored: Work, phantom_archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in stored.folder.rglob("*") if path.name != ".lock"}
    run_stage(stored, phantom_archive)
    assert {path: path.stat().st_mtime_ns for path in stored.folder.rglob("*") if path.name != ".lock"} == before
    assert "nothing to do" in capsys.readouterr().err


def test_killed_and_started_again_it_ends_with_the_same_files(
    tmp_path: Path, prepared: Work, stored: Work, phantom_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_at(tmp_path / "work", CONFIG)
    copy_work(prepared, work)
    add, done = Journal.add, []

    def add_or_die(journal: Journal, result: object) -> None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(add(journal, result))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "add", add_or_die)
        run_stage(work, phantom_archive)
    assert not (work.folder / TABLE).exists()
    again = []
    run_stage(work, phantom_archive, run=lambda do, chunks, *_, **__: (again.extend(one) or do(one) for one in chunks))
    assert len(again) == len(images(stored)) - 24
    assert images(work) == images(stored)
    assert (work.folder / TABLE).read_bytes() == (stored.folder / TABLE).read_bytes()


def test_an_image_that_was_lost_is_made_again(changing: Work, stored: Work, phantom_archive: Path) -> None:
    next((changing.folder / DATA / "hu").rglob("*.jls")).unlink()
    run_stage(changing, phantom_archive)
    assert images(changing) == images(stored)
    assert (changing.folder / TABLE).read_bytes() == (stored.folder / TABLE).read_bytes()


def test_a_slice_that_was_prepared_anew_with_other_values_is_stored_anew(changing: Work, phantom_archive: Path) -> None:
    path = changing.folder / DATA / "slices.parquet"
    rows = slices(changing)
    repaired = rows.index[rows["intercept_repaired"] & (rows["brain_diff"] > 60)][0]
    with zipfile.ZipFile(phantom_archive) as archive:
        slice_ = read_slice(archive.read(rows["path"][repaired]), repair_intercept=False)
    mean = float(slice_.stored.mean()) * slice_.slope + slice_.intercept
    rows.loc[repaired, ["intercept_repaired", "hu_mean"]] = [False, np.float32(mean)]
    before = images(changing)
    with output(path.parent, Provenance(PREPARE, {"fold_count": 2}, {}), force=True, remedy="", extends=True) as out:
        write_table(path, rows, SLICE_SCHEMA)
        out.finish([path.name])
    with pytest.raises(StaleOutput, match=r"data set"):
        run_stage(changing, phantom_archive)
    run_stage(changing, phantom_archive, "--force")
    after = images(changing)
    assert [name for name in after if after[name] != before[name]] == [rows["image_id"][repaired]]
    found = table(changing).set_index("image_id")["hu_crc32"][rows["image_id"][repaired]]
    hu = read_hu(hu_path(changing.folder / DATA / "hu", rows["image_id"][repaired]), int(found), remedy="")
    assert np.array_equal(hu, np.clip(np.rint(slice_.stored * slice_.slope + slice_.intercept), -150, 230))


def test_files_that_changed_or_were_damaged_since_cost_themselves_alone(
    tmp_path: Path, prepared: Work, unpacked: Path
) -> None:
    work = work_at(tmp_path / "work", CONFIG)
    copy_work(prepared, work)
    rows = slices(work)
    rows = rows[(rows["brain_diff"] > 60) & (rows["split"] == "train")]
    changed, cut, other = rows.iloc[0], rows.iloc[1], rows.iloc[-1]
    assert abs(changed["hu_mean"] - other["hu_mean"]) > 1
    shutil.copy(unpacked / other["path"], unpacked / changed["path"])
    (unpacked / cut["path"]).write_bytes((unpacked / cut["path"]).read_bytes()[:-1000])
    run_stage(work, unpacked)
    rejected = pd.read_csv((work.folder / TABLE).with_name("hu_rejected.csv")).set_index("path")
    assert rejected["reason"].to_dict() == {changed["path"]: "not_as_prepared", cut["path"]: "pixel_data_short"}
    assert "prepare it again" in rejected["message"][changed["path"]]
    found = table(work).set_index("image_id")["hu_crc32"]
    assert found[[changed["image_id"], cut["image_id"]]].isna().all()
    assert found.notna().sum() == (slices(work)["brain_diff"] > 60).sum() - 2


def test_too_large_a_share_of_bad_files_stops_the_stage(tmp_path: Path, prepared: Work, unpacked: Path) -> None:
    work = work_at(tmp_path / "work", CONFIG)
    copy_work(prepared, work)
    rows = slices(work)
    for path in rows.loc[rows["brain_diff"] > 60, "path"].iloc[::2]:
        (unpacked / path).write_bytes(b"damaged")
    with pytest.raises(BadInput, match=r"hu_rejected\.csv: \d+ of \d+ files were refused, more than data\.bad_share"):
        run_stage(work, unpacked)
    assert not (work.folder / TABLE).exists()


def test_files_that_have_gone_are_counted_and_named(changing: Work, unpacked: Path) -> None:
    rows = slices(changing)
    gone = rows.loc[rows["brain_diff"] > 60, "path"].iloc[:2].tolist()
    for path in gone:
        (unpacked / path).unlink()
    with pytest.raises(
        MissingInput, match=rf"2 of the \d+ files that .*slices\.parquet needs are not there.*{gone[0]}"
    ):
        run_stage(changing, unpacked)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    tmp_path: Path,
    prepared: Work,
    phantom_archive: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = work_at(tmp_path / "work", CONFIG)
    copy_work(prepared, work)
    monkeypatch.setattr(logs.shutil, "disk_usage", lambda _: SimpleNamespace(free=50_000))
    with pytest.raises(BadInput, match=r"\d+ images to store need about [\d.]+ MB, and [\d.]+ MB are free; make room"):
        run_stage(work, phantom_archive)
    assert "images to store, about" in capsys.readouterr().err
    assert images(work) == {}


def test_other_settings_are_refused_until_forced_and_the_images_are_kept(changing: Work, phantom_archive: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (changing.folder / DATA / "hu").rglob("*.jls")}
    with pytest.raises(StaleOutput, match=r"fold_count: 2 -> 3"):
        run_stage(changing, phantom_archive, "--data.fold_count", 3)
    run_stage(changing, phantom_archive, "--data.fold_count", 3, "--force")
    assert set(table(changing)["fold"].dropna()) <= {0, 1, 2}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_two_runs_on_one_data_set_are_refused(stored: Work, phantom_archive: Path) -> None:
    with (
        held_by_another_process(stored.folder / DATA / "hu"),
        pytest.raises(WrongUse, match="another run is reading or writing here"),
    ):
        run_stage(stored, phantom_archive)


def test_two_sources_are_refused(stored: Work, phantom_archive: Path) -> None:
    with pytest.raises(WrongUse, match=r"--archive .* and --images name two sources"):
        run_stage(stored, phantom_archive, "--images", phantom_archive.parent)


def test_without_preparation_the_remedy_is_named(tmp_path: Path, phantom_archive: Path) -> None:
    with pytest.raises(MissingInput, match=r"phantom is missing; .*run_01_prepare_data\.sh"):
        run_stage(work_at(tmp_path, CONFIG), phantom_archive)


@pytest.mark.slow
def test_a_file_that_kills_its_decoder_costs_itself_alone(
    tmp_path: Path, prepared: Work, phantom_archive: Path
) -> None:
    work = work_at(tmp_path / "work", CONFIG)
    copy_work(prepared, work)
    calls = []

    def die_on_the_fifth(work: object, chunks: object, refuse: object, **_: object) -> object:
        for chunk in chunks:
            for file in chunk:
                calls.append(file)
                yield refuse(file) if len(calls) == 5 else work([file])

    run_stage(work, phantom_archive, run=die_on_the_fifth)
    rejected = pd.read_csv((work.folder / TABLE).with_name("hu_rejected.csv"))
    assert rejected["reason"].tolist() == ["decoder_died"]
    assert rejected["path"].tolist() == [calls[4].file.label]
    assert table(work).set_index("image_id").loc[[calls[4].facts[0]], "hu_crc32"].isna().all()
    run_stage(work, phantom_archive)  # it may have been the memory: such a file is tried again
    assert table(work).set_index("image_id").loc[[calls[4].facts[0]], "hu_crc32"].notna().all()


def test_a_file_name_that_is_no_text_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "ct") + b"/M\xfcller.dcm")).write_bytes(ct_file())
    work = work_at(tmp_path / "work")
    source = ("--images", tmp_path / "ct", "--data_set", "own")
    run_program("rsna2019_prepare", *work.arguments, *source, "--jobs", 1)
    run_program("stacking_data", *work_at(work.folder, CONFIG).arguments, *source, "--jobs", 1)
    assert pd.read_parquet(work.folder / "data/own/stacking/mini_stacking/slices.parquet")["hu_crc32"].notna().all()


def test_the_shell_stage_takes_the_archive(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    assert tree.run("run_41_stacking_data.sh", "--jobs", "3", ARCHIVE="/a disk/rsna.zip").returncode == 0
    assert tree.calls() == ["scripts/stacking_data.py|--archive|/a disk/rsna.zip|--jobs|3"]
