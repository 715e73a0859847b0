"""What a person sets in the environment, and what an unset variable leaves of a command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import parse, run, stage_parser
from hounsfield.core.stages.variables import refuse_dashes, refuse_empty, work_folder
from programs import REPOSITORY, load_program, run_program

VARIABLES = ("CONFIG", "WORK", "DATA_SET", "FOLDS", "ARCHIVE")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests has set is not to count."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--labels", ""], "--labels"),
        (["--labels", "  "], "--labels"),
        (["--labels="], "--labels"),
        (["--images", "a", ""], "word 3"),
        (["", "--force"], "word 1"),
    ],
)
def test_a_value_that_a_variable_has_left_empty_is_refused_and_named(words: Sequence[str], named: str) -> None:
    with pytest.raises(WrongUse, match=f"^{named} .*given empty"):
        refuse_empty(words)


def test_a_command_line_without_empty_words_is_taken() -> None:
    refuse_empty(["--images", "a", ".", "--labels=t.csv", "--force", "-1", "x="])


@pytest.mark.parametrize(
    ("program", "option"),
    [
        ("rsna2019_prepare", "--test"),
        ("rsna2019_prepare", "--labels"),
        ("rsna2022_prepare", "--segmentations"),
        ("siim2019_prepare", "--archive"),
        ("stacking_data", "--apply-to"),
        ("predict_study", "--out"),
        ("spine_predict", "--config"),
        ("hemorrhage_import_embeddings", "--sha256"),
        ("view_study", "--run"),
        ("report", "--config"),
        ("ledger", "--patient"),
    ],
)
def test_every_program_ends_with_2_and_names_the_option_that_is_empty(
    program: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "something", option, ""])
    with pytest.raises(SystemExit) as ended:
        run(load_program(program).main)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {option} is given empty")


@pytest.mark.parametrize("program", ["rsna2019_prepare", "stacking_data", "spine_predict"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATA_SET", "a/b"),
        ("DATA_SET", "../x"),
        ("DATA_SET", "--force"),
        ("DATA_SET", "raw"),
        ("CONFIG", "nowhere.yaml"),
        ("WORK", str(REPOSITORY / "LICENSE")),
        ("WORK", str(REPOSITORY / "LICENSE" / "below")),
    ],
)
def test_a_variable_that_cannot_be_used_is_blamed_by_its_own_name(
    program: str, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    stage = load_program(program).STAGE
    with pytest.raises(WrongUse, match=f"^{variable}") as refused:
        parse(stage_parser(stage), stage, [])
    assert "--" not in str(refused.value).replace(value, "")


@pytest.mark.parametrize(
    ("option", "value"), [("--apply-to", "a/b"), ("--config", "nowhere.yaml"), ("--work", str(REPOSITORY / "LICENSE"))]
)
def test_an_option_that_cannot_be_used_is_blamed_by_its_own_name_though_its_variable_is_set(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_SET", "ward7")
    stage = load_program("stacking_data").STAGE
    with pytest.raises(WrongUse, match=f"^{option} "):
        parse(stage_parser(stage), stage, [option, value])


def test_folds_of_the_environment_hold_folds_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = load_program("hemorrhage_train_classifier").STAGE
    monkeypatch.setenv("FOLDS", "0 --force")
    with pytest.raises(WrongUse, match=r"^FOLDS=0 --force"):
        parse(stage_parser(stage), stage, [])


def test_a_configuration_behind_an_equals_sign_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stage = load_program("stacking_data").STAGE
    command = parse(stage_parser(stage), stage, ["--config=configs/stacking/quickstart.yaml"])
    assert command.experiment == "quickstart"


def test_a_work_folder_need_not_be_there_yet(tmp_path: Path) -> None:
    assert work_folder(tmp_path / "new" / "below") == tmp_path / "new" / "below"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("predict_study", ["ward"]),
        ("view_study", ["--run", "checkpoints/hemorrhage/one", "ID_1"]),
        ("report", ["--run", "preds/hemorrhage/one"]),
        ("ledger", ["preds/hemorrhage/one"]),
        ("bagged_submission", []),
    ],
)
def test_a_program_that_only_reads_the_work_folder_says_where_it_is_not_there(
    program: str, words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(WrongUse, match=r"^--work \S+/new: there is no such folder"):
        run_program(program, *words, "--work", tmp_path / "new")


def test_a_name_that_begins_with_a_dash_is_refused_with_what_to_write_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-ward").mkdir()
    for words in (["-ward"], ["--run", "x", "-ward"]):
        with pytest.raises(WrongUse, match=r"^-ward is read as an option; .* write \./-ward$"):
            refuse_dashes(words)
    refuse_dashes(["./-ward", "-h", "-other", "--", "-ward"])


@pytest.mark.parametrize("program", ["rsna2019_prepare", "rsna2022_prepare", "siim2019_prepare", "stacking_data"])
def test_an_archive_that_the_environment_names_is_blamed_as_such(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--work", tmp_path, "--archive", "rsna.zip", "--images", tmp_path)  # as the stage in bin/ puts it together
    own = () if program == "stacking_data" else ("--data_set", "mine")
    with pytest.raises(WrongUse, match=r"^--archive rsna\.zip and --images"):
        run_program(program, *given, *own)
    monkeypatch.setenv("ARCHIVE", "rsna.zip")
    with pytest.raises(WrongUse, match=r"^ARCHIVE=rsna\.zip and --images"):
        run_program(program, *given, *own)
