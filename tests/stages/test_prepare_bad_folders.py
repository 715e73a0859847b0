"""Folders, machines and decoders that are not as they should be, under the real preparation."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from preparations import PLAIN, TABLE, apart, rejected, table

import dicom_files as files
from conftest import work_at
from faults.processes import PATIENCE
from hounsfield.competitions.rsna2019 import preparation
from hounsfield.core.errors import BadInput, MissingInput, Refused, WrongUse
from hounsfield.core.intake.archives import SourceFile
from programs import REPOSITORY, run_program, work_of


def prepare_with_a_deadly_file(file: SourceFile, content: bytes, **options: Any) -> dict[str, Any]:
    """As the real one, on a machine whose decoder ends the process at one file."""
    if file.name == "deadly":
        os.abort()
    return preparation.prepare_file(file, content, **options)


@pytest.mark.slow
def test_a_file_that_kills_its_decoder_is_refused_and_the_others_are_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ct").mkdir()
    for number, name in enumerate(("a", "b", "deadly")):
        (tmp_path / "ct" / name).write_bytes(apart(PLAIN, number))
    work = work_at(tmp_path / "work")
    monkeypatch.setattr(work_of("rsna2019_prepare"), "prepare_file", prepare_with_a_deadly_file)
    run_program("rsna2019_prepare", *work.arguments, "--images", tmp_path / "ct", *TABLE)
    data = work.folder / "data" / "own"
    assert sorted(pd.read_parquet(data / "slices.parquet")["path"]) == ["a", "b"]
    assert pd.read_csv(data / "rejected.csv")[["path", "reason"]].to_numpy().tolist() == [["deadly", "decoder_died"]]


@pytest.fixture
def short_socket_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path may have 107 characters only
        yield Path(folder)


@pytest.mark.parametrize("kind", ["nothing", "links", "sockets"])
def test_a_folder_without_any_file_is_named(tmp_path: Path, short_socket_folder: Path, kind: str) -> None:
    if kind == "links":
        (short_socket_folder / "a").symlink_to(__file__)
    if kind == "sockets":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(short_socket_folder / "s"))
    with pytest.raises(MissingInput, match=r": 0 files; name folders that hold DICOM files"):
        run_program("rsna2019_prepare", *work_at(tmp_path).arguments, "--images", short_socket_folder, *TABLE)


def test_a_pipe_in_place_of_the_archive_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingInput, match="pipe is neither a folder nor a file"):
        run_program("rsna2019_prepare", *work_at(tmp_path).arguments, "--archive", tmp_path / "pipe")


def test_a_folder_that_holds_its_own_outputs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(PLAIN)
    with pytest.raises(WrongUse, match="holds the work folder's own outputs"):
        run_program("rsna2019_prepare", *work_at(tmp_path / "work").arguments, "--images", tmp_path, *TABLE)


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ct" / "closed").mkdir(parents=True)
    listed = os.scandir

    def scandir(folder: Path) -> Any:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(MissingInput, match=r"closed/? may not be read; give this user the permission"):
        run_program("rsna2019_prepare", *work_at(tmp_path).arguments, "--images", tmp_path / "ct", *TABLE)


def test_a_file_that_went_or_became_a_folder_since_it_was_listed_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("folder", "gone"):
        with pytest.raises(Refused, match="cannot be read: "):
            SourceFile(name, str(tmp_path), 100, 0).read()


def test_a_file_cut_within_its_header_counts_as_damaged_and_not_as_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "a").write_bytes(PLAIN)
    (tmp_path / "ct" / "b").write_bytes(PLAIN[: files.data_set_start(PLAIN) + 20])
    with pytest.raises(BadInput, match="1 of 2 files were refused"):
        run_program("rsna2019_prepare", *work_at(tmp_path).arguments, "--images", tmp_path / "ct", *TABLE[:-2])


def test_a_broken_archive_beside_a_folder_stops_a_preparation_unless_every_file_may_be_bad(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "a").write_bytes(PLAIN)
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4, and cut")
    work, given = work_at(tmp_path / "work"), ("--images", tmp_path / "ct", tmp_path / "broken.zip", *TABLE[:4])
    with pytest.raises(BadInput, match=r"broken\.zip"):
        run_program("rsna2019_prepare", *work.arguments, *given)
    run_program("rsna2019_prepare", *work.arguments, *given, "--prepare.bad_share", 1)
    assert table(work, "own")["path"].tolist() == ["ct/a"]
    assert rejected(work, "own")[["path", "reason"]].values.tolist() == [["broken.zip", "source_unusable"]]


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode != 0,
    reason="this system does not let a user take a process off the network",
)
def test_preparation_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "a").write_bytes(PLAIN)
    program = REPOSITORY / "scripts" / "rsna2019_prepare.py"
    command = ["unshare", "-rn", sys.executable, str(program), *work_at(tmp_path / "work").arguments]
    done = subprocess.run(
        [*command, "--images", str(tmp_path / "ct"), *map(str, TABLE)], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, "1 slice in the table" in done.stderr) == (0, True), done.stderr
