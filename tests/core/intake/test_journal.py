from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hounsfield.core.intake import journal as parts_module
from hounsfield.core.intake.archives import FileList, list_files
from hounsfield.core.intake.journal import Parts, Prepared, refused_row
from hounsfield.core.storage.image_files import image_path

PARTS_A_BLOCK = 4
FILES = PARTS_A_BLOCK + 3
SCHEMA = pa.schema([("image_id", pa.string()), ("path", pa.string()), ("stamp", pa.int64()), ("hu_mean", pa.float32())])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "PARTS_A_BLOCK", PARTS_A_BLOCK)


@pytest.fixture
def files(tmp_path: Path) -> FileList:
    (tmp_path / "ct").mkdir()
    for number in range(FILES):
        (tmp_path / "ct" / f"{number:03d}").write_bytes(b"x")
    return list_files(tmp_path / "ct")


def open_parts(folder: Path) -> Parts:
    return Parts(folder / "parts", SCHEMA, ".jpg")


def prepared(tmp_path: Path, *files: Any, hu_mean: float = 0.0) -> Prepared:
    """The result of a chunk, whose images lie in their folder."""
    for file in files:
        path = image_path(tmp_path / "images", f"ID_{file.label}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    known = [{"image_id": f"ID_{file.label}", "path": file.label, "stamp": file.stamp} for file in files]
    return Prepared(rows=[{**one, "hu_mean": hu_mean} for one in known])


def fill(tmp_path: Path, files: FileList) -> Parts:
    """A part a file; every third file is refused."""
    parts = open_parts(tmp_path)
    for number, file in enumerate(files):
        refused = Prepared(rejected=[refused_row(file, "modality", "MR")])
        parts.add(refused if number % 3 == 2 else prepared(tmp_path, file))
    return parts


def names(parts: Parts, files: FileList) -> tuple[list[str], list[str]]:
    rows, rejected = parts.join(files)
    return rows["path"].to_pylist(), rejected["path"].to_pylist()


def test_a_full_block_of_parts_becomes_one_and_says_the_same(tmp_path: Path, files: FileList) -> None:
    parts = fill(tmp_path, files)
    left = {path.name for path in (tmp_path / "parts").glob("*.parquet")}
    later = {"0000004.rows.parquet", "0000005.rejected.parquet", "0000006.rows.parquet"}
    assert left == {"0000003.rows.parquet", "0000003.rejected.parquet", *later}
    usable, refused = names(parts, files)
    assert refused == [f"{n:03d}" for n in range(FILES) if n % 3 == 2]
    assert usable == [f"{n:03d}" for n in range(FILES) if n % 3 != 2]
    assert not parts.missing(files, tmp_path / "images")


@pytest.mark.parametrize("moment", range(PARTS_A_BLOCK + 1))
def test_a_merge_that_is_killed_loses_nothing_and_doubles_nothing(
    tmp_path: Path, files: FileList, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    events = 0

    def counted(work: Any) -> Any:
        def done(*arguments: Any) -> None:
            nonlocal events
            if events == moment:
                raise KeyboardInterrupt
            events += 1
            work(*arguments)

        return done

    monkeypatch.setattr(parts_module, "write_arrow", counted(parts_module.write_arrow))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, files[:PARTS_A_BLOCK])
    moment = -1  # from here on nothing is stopped
    parts = open_parts(tmp_path)
    assert len(list((tmp_path / "parts").glob("*.parquet"))) == 2
    usable, refused = names(parts, files)
    assert sorted(usable + refused) == [f"{n:03d}" for n in range(PARTS_A_BLOCK)]
    assert [file.name for file in parts.missing(files, tmp_path / "images")] == ["004", "005", "006"]


def test_the_later_of_two_parts_is_right_merged_or_not(tmp_path: Path, files: FileList) -> None:
    parts = open_parts(tmp_path)
    parts.add(prepared(tmp_path, files[0], files[1], hu_mean=1))
    parts.add(Prepared(rejected=[refused_row(files[2], "decoder_died", "")]))
    parts.add(prepared(tmp_path, files[0], files[2], hu_mean=2))
    for _ in range(2):
        rows, rejected = parts.join(files)
        assert rows.select(["path", "hu_mean"]).to_pydict() == {"path": ["000", "001", "002"], "hu_mean": [2, 1, 2]}
        assert len(rejected) == 0  # what died at first was prepared later
        while len(list((tmp_path / "parts").glob("*.parquet"))) > 1:
            parts.add(Prepared())
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["0000003.rows.parquet"]


def test_lost_images_passing_rejects_and_changed_files_are_missing(tmp_path: Path, files: FileList) -> None:
    parts = fill(tmp_path, files)
    image_path(tmp_path / "images", "ID_001").unlink()
    parts.add(Prepared(rejected=[refused_row(files[6], "unreadable_file", "")]))
    os.utime(tmp_path / "ct" / "004", ns=(0, 10**9))
    found = parts.missing(list_files(tmp_path / "ct"), tmp_path / "images")
    assert [file.name for file in found] == ["001", "004", "006"]


def test_files_that_have_gone_are_passed_over(tmp_path: Path, files: FileList) -> None:
    parts = fill(tmp_path, files)
    assert names(parts, files.take(np.array([1, 2]))) == (["001"], ["002"])


def test_what_a_killed_run_was_writing_is_removed(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / ".0000001.rejected.parquet.partial").write_bytes(b"PAR1")

    open_parts(tmp_path)

    assert list((tmp_path / "parts").iterdir()) == []
