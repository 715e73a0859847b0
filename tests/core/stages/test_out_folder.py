"""A folder that is named for answers loses nothing that is there already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.out_folder import out_folder, refuse_made_by_others, refuse_other_files
from hounsfield.core.stages.outputs import Provenance, output


def test_a_folder_that_is_not_there_yet_or_stands_elsewhere_is_taken(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new" / "deep", tmp_path / "work" / "preds" / "mine"):
        assert out_folder(str(folder), tmp_path / "work", [str(tmp_path / "given")]) == folder
        refuse_made_by_others(folder)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("note.txt", "is a file"),
        ("note.txt/within", "note.txt is a file"),
        ("work/data/phantom", "where stages alone write"),
        ("work/checkpoints", "where stages alone write"),
        ("given", "whose files are read"),
        ("given/answers", "whose files are read"),
    ],
)
def test_a_folder_in_which_answers_would_be_mixed_with_something_else_is_refused(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "note.txt").write_text("mine")
    (tmp_path / "given").mkdir()
    with pytest.raises(WrongUse, match=reason):
        out_folder(str(tmp_path / name), tmp_path / "work", [str(tmp_path / "given")])


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # a superuser may write anywhere
    with pytest.raises(WrongUse, match="may not be written to"):
        out_folder(str(tmp_path / "new"), tmp_path / "work")


def test_the_output_of_another_stage_is_refused_finished_or_begun(tmp_path: Path) -> None:
    with output(tmp_path, Provenance("run_15_bagged_submission", {}, {}), force=False, remedy=""):
        pass
    with pytest.raises(WrongUse, match=r"holds what run_15_bagged_submission has made"):
        refuse_made_by_others(tmp_path, ["run_72_view_study"])
    refuse_made_by_others(tmp_path, ["run_15_bagged_submission"])


def test_files_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    own = ("findings.*", "series_*.html")
    refuse_other_files(tmp_path / "missing", own)
    (tmp_path / "series_1.html").write_text("page")
    refuse_other_files(tmp_path, own)
    (tmp_path / "thesis").mkdir()
    with pytest.raises(WrongUse, match="holds thesis"):
        refuse_other_files(tmp_path, own)
