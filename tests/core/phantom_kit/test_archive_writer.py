"""The archive writer: the same recipe gives the same bytes, and nothing is replaced unasked or left half written."""

from __future__ import annotations

import errno
import json
import multiprocessing
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from faults.processes import PATIENCE
from hounsfield.core.errors import BadInput, StaleOutput, WrongUse
from hounsfield.core.phantom_kit.archive_writer import AddFile, Json, draw_patients, make_archive, recipe_path
from hounsfield.core.phantom_kit.recipe import ArchiveRecipe
from hounsfield.core.storage.files import locked


@dataclass(frozen=True, kw_only=True)
class SmallRecipe(ArchiveRecipe):
    format: ClassVar = 1
    sizes: ClassVar = (1, 8)
    train_patients: int = 7
    test_patients: int = 4
    size: int = 8
    seed: int = 1
    compression: str = "stored"


FILES = {"top/images/a.dcm": b"a" * 1000, "top/table.csv": b"ID\n"}


def fill(add: AddFile) -> Json:
    for name, data in FILES.items():
        add(name, data)
    return {"files": len(FILES), "classes": {"z": 1, "a": 2}}


def make(path: Path, seed: int = 1, *, compression: str = "stored", force: bool = False) -> tuple[Json, bool]:
    return make_archive(path, SmallRecipe(seed=seed, compression=compression), fill, force=force)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def square(recipe: SmallRecipe, number: int) -> int:
    return recipe.size * number**2


@pytest.mark.parametrize("name", ["a.zip", "a"])
def test_an_archive_of_the_same_recipe_is_left_alone_and_its_summary_is_found_again(tmp_path: Path, name: str) -> None:
    summary, written = make(tmp_path / name)
    before = (tmp_path / name).stat()
    assert (written, summary["files"]) == (True, 2)
    again = make(tmp_path / name)
    assert again == (summary, False)
    assert list(again[0]["classes"]) == ["z", "a"]
    assert (tmp_path / name).stat() == before


@pytest.mark.parametrize("name", ["a.zip", "a"])
def test_an_archive_of_another_recipe_is_refused_and_force_replaces_it(tmp_path: Path, name: str) -> None:
    make(tmp_path / name)
    with pytest.raises(StaleOutput, match=rf"{name}: .*another recipe"):
        make(tmp_path / name, seed=2)
    assert make(tmp_path / name, seed=2, force=True)[1]
    assert json.loads(recipe_path(tmp_path / name).read_text())["recipe"]["seed"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".lock", name, f"{name}.recipe.json"])


def test_a_file_of_unknown_origin_is_replaced_by_force_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"something else")
    with pytest.raises(StaleOutput, match=r"a\.zip: .*unknown"):
        make(path)
    make(path, force=True)
    with zipfile.ZipFile(path) as members:
        assert {name: members.read(name) for name in members.namelist()} == FILES


@pytest.mark.parametrize("name", ["own", "own.zip"])
def test_a_folder_of_unknown_origin_is_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("years of work")
    with pytest.raises(StaleOutput, match=name):
        make(tmp_path / name, force=True)
    assert contents(tmp_path / name) == {"thesis.txt": b"years of work"}


def test_a_folder_holds_the_files_that_the_zip_holds(tmp_path: Path) -> None:
    make(tmp_path / "folder")
    assert contents(tmp_path / "folder") == FILES


def test_a_zip_has_the_same_bytes_each_time_and_is_smaller_when_deflated(tmp_path: Path) -> None:
    first, second, small = (tmp_path / f"{name}.zip" for name in ("first", "second", "small"))
    make(first)
    make(second)
    make(small, compression="deflated")
    assert first.read_bytes() == second.read_bytes()
    assert small.stat().st_size < first.stat().st_size
    with zipfile.ZipFile(small) as members:
        assert {name: members.read(name) for name in members.namelist()} == FILES


@pytest.mark.parametrize("name", ["a.zip", "a"])
@pytest.mark.parametrize(("raised", "seen"), [(OSError(errno.ENOSPC, "full"), BadInput), (KeyError("x"), KeyError)])
def test_a_failure_on_the_way_leaves_what_was_there(
    tmp_path: Path, name: str, raised: Exception, seen: type[Exception]
) -> None:
    def fail(add: AddFile) -> Json:
        add("one", b"1")
        raise raised

    summary, _ = make(tmp_path / name)
    with pytest.raises(seen, match=name if seen is BadInput else "x"):
        make_archive(tmp_path / name, SmallRecipe(seed=2), fail, force=True)
    assert make(tmp_path / name) == (summary, False)
    assert not (tmp_path / f".{name}.partial").exists()


@pytest.mark.parametrize("name", ["a.zip", "a"])
def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path: Path, name: str) -> None:
    make(tmp_path / name)
    (tmp_path / name).rename(tmp_path / f".{name}.old")  # killed just before the new archive got its name
    (tmp_path / f".{name}.partial").mkdir()
    (tmp_path / f".{name}.partial" / "half").write_bytes(b"")
    assert make(tmp_path / name)[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".lock", name, f"{name}.recipe.json"])


def _hold(folder: Path, held: multiprocessing.synchronize.Event, done: multiprocessing.synchronize.Event) -> None:
    with locked(folder):
        held.set()
        done.wait(PATIENCE)


def test_a_second_run_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, done))
    other.start()
    try:
        assert held.wait(PATIENCE)
        with pytest.raises(WrongUse, match="another run"):
            make(tmp_path / "a.zip")
    finally:
        done.set()
        other.join()


def test_patients_come_in_order_however_many_processes_draw_them() -> None:
    expected = [(number, "train" if number < 7 else "test", 8 * number**2) for number in range(11)]
    for jobs in (1, 2):
        assert list(draw_patients(SmallRecipe(), square, jobs, "patient")) == expected
