from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hounsfield.core.intake import journal as journal_module
from hounsfield.core.intake.archives import FileList, list_files
from hounsfield.core.intake.journal import Journal, Prepared, refusal
from hounsfield.core.storage.files import content_number
from hounsfield.core.storage.image_files import image_path

ENTRIES_PER_BLOCK = 4
FILES = ENTRIES_PER_BLOCK + 3
SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("stamp", pa.int64()),
        ("content", pa.int64()),
        ("hu_mean", pa.float32()),
    ]
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "ENTRIES_PER_BLOCK", ENTRIES_PER_BLOCK)


@pytest.fixture
def files(tmp_path: Path) -> FileList:
    (tmp_path / "ct").mkdir()
    for number in range(FILES):
        (tmp_path / "ct" / f"{number:03d}").write_bytes(b"x")
    return list_files(tmp_path / "ct")


def open_journal(folder: Path) -> Journal:
    return Journal(folder / "journal", SCHEMA, folder / "images", ".jpg", retryable=["changed_since"])


def prepared(tmp_path: Path, *files: Any, hu_mean: float = 0.0) -> Prepared:
    """The result of a chunk, whose images lie in their folder."""
    for file in files:
        path = image_path(tmp_path / "images", f"ID_{file.label}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    known = [
        {
            "image_id": f"ID_{file.label}",
            "path": file.label,
            "stamp": file.stamp,
            "content": content_number(file.read()),
        }
        for file in files
    ]
    return Prepared(rows=[{**one, "hu_mean": hu_mean} for one in known])


def fill(tmp_path: Path, files: FileList) -> Journal:
    """An entry per file; every third file is refused."""
    journal = open_journal(tmp_path)
    for number, file in enumerate(files):
        refused = Prepared(rejected=[refusal(file, "modality", "MR", content_number(file.read()))])
        journal.add(refused if number % 3 == 2 else prepared(tmp_path, file))
    return journal


def names(journal: Journal, files: FileList) -> tuple[list[str], list[str]]:
    rows, rejected = journal.join(files)
    return rows["path"].to_pylist(), rejected["path"].to_pylist()


def test_a_full_block_of_entries_becomes_one_with_the_same_results(tmp_path: Path, files: FileList) -> None:
    journal = fill(tmp_path, files)
    left = {path.name for path in (tmp_path / "journal").glob("*.parquet")}
    later = {"0000004.rows.parquet", "0000005.rejected.parquet", "0000006.rows.parquet"}
    assert left == {"0000003.rows.parquet", "0000003.rejected.parquet", *later}
    usable, refused = names(journal, files)
    assert refused == [f"{n:03d}" for n in range(FILES) if n % 3 == 2]
    assert usable == [f"{n:03d}" for n in range(FILES) if n % 3 != 2]
    assert not journal.unrecorded(files)


@pytest.mark.parametrize("moment", range(ENTRIES_PER_BLOCK + 1))
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

    monkeypatch.setattr(journal_module, "write_arrow", counted(journal_module.write_arrow))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, files[:ENTRIES_PER_BLOCK])
    moment = -1  # from here on nothing is stopped
    journal = open_journal(tmp_path)
    assert len(list((tmp_path / "journal").glob("*.parquet"))) == 2
    usable, refused = names(journal, files)
    assert sorted(usable + refused) == [f"{n:03d}" for n in range(ENTRIES_PER_BLOCK)]
    assert [file.name for file in journal.unrecorded(files)] == ["004", "005", "006"]


def test_the_later_of_two_entries_counts_merged_or_not(tmp_path: Path, files: FileList) -> None:
    journal = open_journal(tmp_path)
    journal.add(prepared(tmp_path, files[0], files[1], hu_mean=1))
    journal.add(Prepared(rejected=[refusal(files[2], "decoder_died", "")]))
    journal.add(prepared(tmp_path, files[0], files[2], hu_mean=2))
    for _ in range(2):
        rows, rejected = journal.join(files)
        assert rows.select(["path", "hu_mean"]).to_pydict() == {"path": ["000", "001", "002"], "hu_mean": [2, 1, 2]}
        assert len(rejected) == 0  # what died at first was prepared later
        while len(list((tmp_path / "journal").glob("*.parquet"))) > 1:
            journal.add(Prepared())
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["0000003.rows.parquet"]


def test_lost_images_retryable_refusals_and_changed_files_have_no_result(tmp_path: Path, files: FileList) -> None:
    journal = fill(tmp_path, files)
    image_path(tmp_path / "images", "ID_001").unlink()
    journal.add(Prepared(rejected=[refusal(files[6], "unreadable_file", "")]))
    journal.add(Prepared(rejected=[refusal(files[0], "changed_since", "")]))
    os.utime(tmp_path / "ct" / "004", ns=(0, 10**9))
    found = journal.unrecorded(list_files(tmp_path / "ct"))
    assert [file.name for file in found] == ["000", "001", "004", "006"]


def test_files_that_have_gone_are_left_out(tmp_path: Path, files: FileList) -> None:
    journal = fill(tmp_path, files)
    assert names(journal, files.take(np.array([1, 2]))) == (["001"], ["002"])


def test_what_a_killed_run_was_writing_is_removed(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / ".0000001.rejected.parquet.partial").write_bytes(b"PAR1")

    open_journal(tmp_path)

    assert list((tmp_path / "journal").iterdir()) == []


def replaced(tmp_path: Path, name: str, content: bytes) -> FileList:
    """The files with one put in place of another: of the same name, size and modification time."""
    path = tmp_path / "ct" / name
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return list_files(tmp_path / "ct")


def test_a_file_with_other_bytes_has_no_result_though_name_size_and_time_are_the_same(
    tmp_path: Path, files: FileList
) -> None:
    journal = fill(tmp_path, files)
    for name in ("000", "002"):  # used, and refused
        changed = replaced(tmp_path, name, b"y")
    assert journal.recognise(changed) == 0
    assert [file.name for file in journal.unrecorded(changed)] == ["000", "002"]
    assert journal.outdated(changed) == ["000"]  # the refused one stood in no table


def test_files_that_were_touched_or_copied_elsewhere_keep_their_results(tmp_path: Path, files: FileList) -> None:
    journal = fill(tmp_path, files)
    expected = names(journal, files)
    shutil.copytree(tmp_path / "ct", tmp_path / "copy")
    (tmp_path / "copy" / "001").write_bytes(b"y")
    elsewhere = list_files(tmp_path / "copy")
    assert set(elsewhere.stamps).isdisjoint(files.stamps)
    assert len(journal.unrecorded(elsewhere)) == FILES
    assert journal.recognise(elsewhere) == FILES - 1
    assert [file.name for file in journal.unrecorded(elsewhere)] == ["001"]
    assert names(journal, elsewhere) == ([name for name in expected[0] if name != "001"], expected[1])
    assert journal.recognise(elsewhere) == 0


def test_the_same_bytes_prepared_with_other_settings_have_no_result(tmp_path: Path, files: FileList) -> None:
    fill(tmp_path, files)
    other = Journal(tmp_path / "journal", SCHEMA, tmp_path / "images", ".jpg", settings={"jpeg_quality": 90})
    assert other.recognise(files) == 0
    assert len(other.unrecorded(files)) == FILES


def test_what_another_version_recorded_is_prepared_again(tmp_path: Path, files: FileList) -> None:
    fill(tmp_path, files)
    columns = SCHEMA.append(pa.field("new", pa.string()))
    later = Journal(tmp_path / "journal", columns, tmp_path / "images", ".jpg")
    assert [file.name for file in later.unrecorded(files)] == ["000", "001", "003", "004", "006"]  # refusals hold
