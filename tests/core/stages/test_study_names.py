from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.core.stages.command import check_name
from hounsfield.core.stages.study_names import UNNAMED, free_name, name_after


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Ward 7/inner").mkdir(parents=True)
    (tmp_path / "disc.zip").touch()
    (tmp_path / "Ward 7/inner/DICOMDIR").touch()
    (tmp_path / "b").mkdir()
    (tmp_path / "...").mkdir()
    monkeypatch.chdir(tmp_path / "Ward 7/inner")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (["../../Ward 7"], "Ward_7"),
        ([".."], "Ward_7"),
        (["."], "inner"),
        (["../../disc.zip"], "disc"),
        (["../../..."], UNNAMED),
        (["DICOMDIR"], "inner"),
        (["../../disc.zip", "../../b", "../../b/."], "b_and_1_more"),
    ],
)
def test_outputs_are_named_after_what_was_given(folder: Path, given: list[str], name: str) -> None:
    assert name_after([Path(one) for one in given]) == name


@pytest.mark.parametrize("text", ["患者", "=cmd|' /C calc'!A0", "a" * 200, "-rf", "x\ny", "COM1 "])
def test_whatever_a_folder_is_called_its_name_can_name_a_folder(tmp_path: Path, text: str) -> None:
    (tmp_path / text.replace("/", "")).mkdir()
    check_name(name_after([tmp_path / text.replace("/", "")]), "it")


def test_a_name_that_is_taken_or_reserved_gets_a_number() -> None:
    taken = {"ward", "ward_2"}
    assert free_name("ward", (), lambda name: name not in taken) == "ward_3"
    assert free_name("raw", ("raw",), lambda name: True) == "raw_2"
    assert free_name("RAW", ("raw",), lambda name: True) == "RAW_2"
