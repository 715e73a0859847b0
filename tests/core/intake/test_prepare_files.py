"""Files to rows and refusals, with a competition of the tests' own: a file's row is its first number."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from hounsfield.core.errors import BadInput, Refused, WrongUse
from hounsfield.core.intake import prepare_files as module
from hounsfield.core.intake.archives import FileList, SourceFile, list_files, list_some
from hounsfield.core.intake.journal import Journal
from hounsfield.core.intake.prepare_files import Task, check_usable, prepare_chunk, prepare_files, write_rejected
from hounsfield.core.storage.image_files import image_path

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("stamp", pa.int64()),
        ("content", pa.int64()),
        ("value", pa.int64()),
    ]
)


def prepare(file: SourceFile, content: bytes, addend: int = 0, *, images: Path) -> dict[str, Any]:
    """The file's number, and an addend; `bad` is refused, `die` ends the process."""
    if content == b"die":
        os.abort()
    if content == b"bad":
        raise Refused("no_number", "holds no number")
    path = image_path(images, file.label)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return {"image_id": file.label, "value": int(content) + addend}


def folder_of(tmp_path: Path, **contents: bytes) -> FileList:
    (tmp_path / "files").mkdir(exist_ok=True)
    for name, content in contents.items():
        (tmp_path / "files" / name).write_bytes(content)
    return list_files(tmp_path / "files")


def journal_of(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", SCHEMA, tmp_path / "images", ".jpg")


def run(tmp_path: Path, files: FileList, **options: Any) -> tuple[dict[str, int], dict[str, str]]:
    """Values and reasons by path, after all of `files` without a result were prepared."""
    journal = journal_of(tmp_path)
    prepare_files(journal.unrecorded(files), partial(prepare, images=tmp_path / "images"), journal, jobs=1, **options)
    rows, rejected = (table.to_pandas().set_index("path") for table in journal.join(files))
    return rows["value"].to_dict(), rejected["reason"].to_dict()


@pytest.mark.usefixtures("one_pool")
def test_each_file_becomes_a_row_or_a_refusal_also_where_one_ends_its_process(tmp_path: Path) -> None:
    files = folder_of(tmp_path, a=b"1", b=b"bad", c=b"die", d=b"4")
    assert run(tmp_path, files, files_per_chunk=3) == ({"a": 1, "d": 4}, {"b": "no_number", "c": "decoder_died"})


@pytest.mark.usefixtures("one_pool")
def test_only_files_without_a_result_are_prepared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, folder_of(tmp_path, a=b"1", b=b"bad", c=b"die"))
    (tmp_path / "files" / "c").write_bytes(b"3")
    files, seen = folder_of(tmp_path, d=b"4"), []
    monkeypatch.setattr(
        module, "run_chunks", lambda work, chunks, *_, **__: (seen.extend(chunk) or work(chunk) for chunk in chunks)
    )
    assert run(tmp_path, files) == ({"a": 1, "c": 3, "d": 4}, {"b": "no_number"})
    assert [task.file.name for task in seen] == ["c", "d"]


@pytest.mark.usefixtures("one_pool")
def test_what_is_known_of_a_file_is_handed_over_with_it(tmp_path: Path) -> None:
    files = folder_of(tmp_path, a=b"1", b=b"2")
    facts = pd.DataFrame({"addend": [20, 10, 30]}, index=["b", "a", "c"])
    assert run(tmp_path, files, facts=facts) == ({"a": 11, "b": 22}, {})


def test_nothing_to_prepare_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hounsfield.core.intake.executors.open_executor", None)
    assert run(tmp_path, folder_of(tmp_path)) == ({}, {})


def test_a_file_s_time_is_limited_and_the_limit_ends_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_PER_FILE", 0.2)
    files = folder_of(tmp_path, a=b"1", b=b"bad")
    prepare_chunk(list(map(Task, files)), prepare=partial(prepare, images=tmp_path / "images"))
    time.sleep(0.4)  # a limit that was left on would end this process


def rejected(*reasons: str) -> pd.DataFrame:
    paths = [f"file{number}" for number in range(len(reasons))]
    return pd.DataFrame({"path": paths, "stamp": 0, "reason": reasons, "message": "why"})


@pytest.mark.usefixtures("one_pool")
def test_the_listing_is_sorted_and_escaped_and_its_reasons_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[object, ...]] = []
    monkeypatch.setattr(module.logger, "warning", lambda _, *facts: said.append(facts))
    listing = tmp_path / "rejected.csv"
    write_rejected(listing, rejected("colour", "cut", "cut").assign(path=["b\n", "=cmd()", "a"]))
    assert listing.read_text() == "path,reason,message\n'=cmd(),cut,why\na,cut,why\nb\\n,colour,why\n"
    check_usable(listing, 9, rejected("colour", "cut", "cut", "dicomdir"), 1.0, option="own.share")
    assert said == [(2, "cut", listing), (1, "colour", listing)]


@pytest.mark.usefixtures("one_pool")
def test_more_bad_files_than_the_share_are_an_error_and_foreign_ones_do_not_count(tmp_path: Path) -> None:
    check = partial(check_usable, tmp_path / "rejected.csv", option="own.share", foreign={"not_dicom"})
    check(8, rejected("cut", "cut", *["not_dicom"] * 9), 0.2)
    with pytest.raises(BadInput, match=r"rejected\.csv: 3 of 11 .*own\.share"):
        check(8, rejected("cut", "cut", "cut"), 0.2)


@pytest.mark.usefixtures("one_pool")
def test_nothing_usable_is_an_error_whatever_the_share(tmp_path: Path) -> None:
    check = partial(check_usable, tmp_path / "rejected.csv", option="own.share", foreign={"not_dicom"})
    with pytest.raises(WrongUse, match=r"rejected\.csv: none of 2 "):
        check(0, rejected("not_dicom", "unreadable"), 1.0)
    with pytest.raises(WrongUse, match=r"rejected\.csv: the one file is not usable: why"):
        check(0, rejected("not_dicom"), 1.0)
    check(0, rejected(), 0.2)  # nothing was asked for


@pytest.mark.parametrize("name", ["a.tar", "disc.zip", "a.dcm"])
def test_an_archive_that_is_not_opened_is_called_one_where_it_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no image")

    def prepare(file: SourceFile, content: bytes) -> dict[str, object]:
        raise Refused("not_dicom", "why")

    (refused,) = prepare_chunk([Task(list_some(tmp_path, [name])[0])], prepare=prepare).rejected
    assert refused["reason"] == "not_dicom"
    assert ("unpack it first" in refused["message"]) is (name != "a.dcm")
