"""Output folders: begun, done, made from something else, killed at any place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.core.errors import BadInput, StaleOutput, WrongUse
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import RECORD, Input, Output, Provenance, output, read_record, record_digest
from hounsfield.core.storage.files import locked, write_json
from programs import held_by_another_process

REMEDY = "sh bin/run_12_train.sh"


def made(settings: dict, **inputs: str) -> Provenance:
    return Provenance("train", settings, {name: Input(digest) for name, digest in inputs.items()})


def write(out: Output, text: str = "weights") -> None:
    (out.folder / "weights").write_text(text)
    out.finish(["weights"], learned=Ledger.of("set", ["b", "a"]), facts={"score": 1})


def test_an_output_is_made_once(tmp_path: Path) -> None:
    for expected in (False, True):
        with output(tmp_path / "o", made({"epochs": 1}, table="1"), force=False, remedy=REMEDY) as out:
            assert out.finished is expected
            if not out.finished:
                write(out)
    assert out.facts == {"score": 1}
    assert set(read_record(tmp_path / "o")["files"]) == {"weights", "learned.parquet"}


def test_another_setting_is_named_with_the_command_that_replaces_the_output(tmp_path: Path) -> None:
    with output(tmp_path, made({"epochs": 1}, table="1"), force=False, remedy=REMEDY) as out:
        write(out)
    with (
        pytest.raises(StaleOutput, match=r"epochs: 1 -> 2\n.*table: another content(.|\n)*run_12_train.sh --force"),
        output(tmp_path, made({"epochs": 2}, table="2"), force=False, remedy=REMEDY),
    ):
        pass


def test_force_removes_what_was_there_but_for_outputs_of_their_own(tmp_path: Path) -> None:
    with output(tmp_path, made({"epochs": 1}), force=False, remedy=REMEDY) as out:
        write(out)
    with output(tmp_path / "inner", made({}), force=False, remedy=REMEDY) as out:
        write(out)
    with output(tmp_path, made({"epochs": 2}), force=True, remedy=REMEDY) as out:
        assert not out.finished
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "inner", RECORD]


def test_force_leaves_what_lies_in_a_folder_without_a_record(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("mine")
    with output(tmp_path, made({}), force=True, remedy=REMEDY) as out:
        write(out)
    assert (tmp_path / "letters" / "one.txt").read_text() == "mine"


def test_a_change_in_words_comes_before_digests(tmp_path: Path) -> None:
    """What shaped an input is told, not that its digest differs."""
    then = Provenance("train", {}, {"table": Input("1", "data/output.json", {"folds": 5})})
    now = Provenance("train", {}, {"table": Input("2", "data/output.json", {"folds": 3})})
    with output(tmp_path, then, force=False, remedy=REMEDY) as out:
        write(out)
    with pytest.raises(StaleOutput, match=r"\n  table\.folds: 5 -> 3\n"), output(tmp_path, now, force=False, remedy=""):
        pass


def test_a_begun_output_goes_on_and_is_not_done(tmp_path: Path) -> None:
    with output(tmp_path, made({}), force=False, remedy=REMEDY) as out:
        (out.folder / "half").touch()
    assert read_record(tmp_path) is None
    with output(tmp_path, made({}), force=False, remedy=REMEDY) as out:
        assert not out.finished
        assert (out.folder / "half").exists()


def test_what_a_kill_after_the_record_left_is_tidied_by_the_next_run(tmp_path: Path) -> None:
    with output(tmp_path, made({}), force=False, remedy=REMEDY) as out:
        write(out)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "state.previous.pt").touch()
    (tmp_path / ".weights.partial").touch()
    with output(tmp_path, made({}), force=False, remedy=REMEDY) as out:
        assert out.finished
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "learned.parquet", RECORD, "weights"]


def test_an_output_of_which_a_file_is_missing_or_cut_is_made_again(tmp_path: Path) -> None:
    for damage in (lambda path: path.unlink(), lambda path: path.write_text("we")):
        with output(tmp_path, made({}), force=True, remedy=REMEDY) as out:
            write(out)
        damage(tmp_path / "weights")
        with output(tmp_path, made({}), force=False, remedy=REMEDY) as out:
            assert not out.finished


def test_an_input_that_may_change_makes_the_output_go_on_from_what_it_has(tmp_path: Path) -> None:
    with output(tmp_path, made({}, files="1"), force=False, remedy=REMEDY) as out:
        write(out)
    with output(tmp_path, made({}, files="2"), force=False, remedy=REMEDY, permits=lambda: ["files"]) as out:
        assert not out.finished
        assert (tmp_path / "weights").exists()


def test_versions_count_while_the_output_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provenance = Provenance("train", {}, {}, ("pytest",))
    for done in (False, True):
        with output(tmp_path, provenance, force=True, remedy=REMEDY) as out:
            if done:
                write(out)
        monkeypatch.setattr("hounsfield.core.stages.outputs.version_of", lambda package: "99")
        if done:
            with output(tmp_path, provenance, force=False, remedy=REMEDY) as out:
                assert out.finished
        else:
            with (
                pytest.raises(StaleOutput, match="version of pytest"),
                output(tmp_path, provenance, force=False, remedy=""),
            ):
                pass
        monkeypatch.undo()


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        held_by_another_process(tmp_path),
        pytest.raises(WrongUse, match="another run"),
        output(tmp_path, made({}), force=True, remedy=REMEDY),
    ):
        pass


def test_what_is_read_is_not_replaced(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path, shared=True):
        with locked(tmp_path, shared=True):
            pass
        with pytest.raises(WrongUse, match="reading or writing"), locked(tmp_path):
            pass


def test_the_digest_of_an_output_does_not_depend_on_where_it_was_made(tmp_path: Path) -> None:
    digests = set()
    for place in ("here", "there"):
        with output(tmp_path / place, made({"a": (1, 2)}), force=False, remedy=REMEDY) as out:
            write(out)
        digests.add(record_digest(read_record(tmp_path / place)))
    assert len(digests) == 1


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / RECORD, [1])
    with pytest.raises(BadInput, match=RECORD), output(tmp_path, made({}), force=False, remedy=REMEDY):
        pass
