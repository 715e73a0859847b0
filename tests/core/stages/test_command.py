"""Command lines: options and the variables that stand for them, folds, remedies and help."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from trial_commands import command_with, without_variables, write_trial

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.stages.command import REPOSITORY, check_name, chosen_folds, run
from programs import load_program

PROGRAMS = sorted(path.stem for path in (REPOSITORY / "scripts").glob("*_*.py") if "STAGE = Stage(" in path.read_text())


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    without_variables(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_trial(tmp_path / "trial.yaml")


@pytest.mark.parametrize("form", [("--config", "{}"), ("--config={}",)])
def test_two_configurations_are_refused_rather_than_mixed(config: Path, form: tuple[str, ...]) -> None:
    with pytest.raises(WrongUse, match="--config is given 2 times"):
        command_with(config, "--config", str(config), *(word.format(config) for word in form))


def test_a_list_given_in_two_options_is_refused_rather_than_cut_to_the_last(config: Path) -> None:
    with pytest.raises(WrongUse, match="--fold is given 2 times; name all behind one: --fold ONE OTHER"):
        command_with(config, "--fold", "0", "--fold=1")
    assert command_with(config, "--fold", "0", "1", "--classifier.epochs", "1", "--classifier.epochs", "3").folds == (
        "0",
        "1",
    )


@pytest.mark.parametrize(
    "name",
    ["../x", "", " ", "a/b", "a\\b", "..", ".hidden", "-v", "x" * 101, "患" * 34, "a\nb", "a\0", " a", "raw", "RAW"],
)
def test_a_name_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(WrongUse, match="cannot name a folder"):
        check_name(name, "data_set")


@pytest.mark.parametrize("name", ["患者", "my ward, 7", "a..b", "semi;colon", "käse", "$(touch x)", "x" * 100])
def test_a_data_set_may_have_any_name_that_a_file_system_takes(config: Path, name: str) -> None:
    command = command_with(config, "--apply-to", name, role="applies")
    assert command.data_set == name
    assert f"DATA_SET={name}" in shlex.split(command.remedy("run_01_prepare_data.sh"))


def test_a_missing_input_ends_the_stage_with_code_2_and_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise MissingInput("slices.parquet is missing")

    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: slices.parquet is missing\n"


# ---- variables and options


@pytest.mark.parametrize(
    ("role", "variables", "options"),
    [
        ("trains", {"WORK": "some where", "FOLDS": "0 all"}, ("--work", "some where", "--fold", "0", "all")),
        ("applies", {"DATA_SET": "ward7", "FOLDS": "1"}, ("--apply-to", "ward7", "--fold", "1")),
        ("prepares", {"DATA_SET": "ward7"}, ("--data_set", "ward7")),
    ],
)
def test_variables_and_options_say_the_same(
    config: Path, monkeypatch: pytest.MonkeyPatch, role: str, variables: dict[str, str], options: tuple[str, ...]
) -> None:
    by_options = command_with(config, "--config", str(config), *options, role=role)
    for name, value in {**variables, "CONFIG": str(config)}.items():
        monkeypatch.setenv(name, value)
    by_variables = command_with(config, role=role)
    for what in ("config", "work", "data_set", "folds", "variables", "overrides"):
        if what != "overrides" or role != "prepares":
            assert getattr(by_variables, what) == getattr(by_options, what)


def test_an_option_wins_over_its_variable(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDS", "3")
    monkeypatch.setenv("WORK", "/nowhere")
    command = command_with(config, "--fold", "1", "2", f"--work={tmp_path}")
    assert (command.folds, command.work) == (("1", "2"), tmp_path)


def test_an_option_wins_over_the_configuration_wherever_it_stands(config: Path) -> None:
    for words in (
        ("--classifier.epochs", "7", "--config", str(config)),
        ("--config", str(config), "--classifier.epochs=7"),
    ):
        assert command_with(config, *words).config.classifier.epochs == 7


def test_a_data_set_at_odds_with_what_is_trained_is_refused(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_SET", "other")
    with pytest.raises(WrongUse, match=r"DATA_SET=other is at odds with .*trial\.yaml, which trains on own"):
        command_with(config)
    assert command_with(config, "--data_set", "other").data_set == "other"
    assert command_with(config, role="applies").data_set == "other"
    monkeypatch.setenv("DATA_SET", "own")
    assert command_with(config).data_set == "own"


def test_folds_are_those_of_the_data_set(config: Path) -> None:
    command = command_with(config, "--fold", "0", "4")
    assert chosen_folds(command, 5) == ["0", "4"]
    with pytest.raises(WrongUse, match="fold 4: there are 3; give 0 to 2 with"):
        chosen_folds(command, 3)
    for wrong in ("-1", "x", "all"):
        with pytest.raises(WrongUse, match=rf"fold {wrong}: there are 5"):
            chosen_folds(command_with(config, f"--fold={wrong}"), 5)
    with pytest.raises(WrongUse, match=r"fold 0,1: there are 5; give 0 to 4, separated by blanks, with"):
        chosen_folds(command_with(config, "--fold", "0,1"), 5)
    assert chosen_folds(command_with(config, "--fold", "all"), 5, single=True) == ["all"]
    with pytest.raises(WrongUse, match="take it alone"):
        chosen_folds(command_with(config, "--fold", "all", "0"), 5, single=True)
    assert chosen_folds(command_with(config), 5) == ["0", "1", "2"]


# ---- remedies


def test_a_remedy_repeats_what_was_given_quoted_for_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's mine"
    folder.mkdir()
    config = folder / "trial.yaml"
    config.write_text("data_set: own\n")
    monkeypatch.chdir(tmp_path)
    given = ("--config", str(config), "--work", str(folder), "--fold", "0", "1", "--apply-to", "ward7", "--force")
    overrides = ("--seed", "-0", "--embedding.views", "[identity, hflip]", "--sequence.epochs=3")
    command = command_with(config, *given, *overrides, role="applies", default=Path("other.yaml"))
    words = shlex.split(command.remedy("run_14_trainfull_sequential.sh", "--archive", "a b"))
    assert words == [
        "CONFIG=it's mine/trial.yaml", "DATA_SET=ward7", "FOLDS=0 1", "WORK=it's mine",
        "sh", str(REPOSITORY / "bin/run_14_trainfull_sequential.sh"), "--archive", "a b", *overrides,
    ]  # fmt: skip


def test_a_remedy_is_short_where_nothing_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    command = command_with(REPOSITORY / "configs/hemorrhage/crop.yaml")
    assert command.remedy("run_01_prepare_data.sh") == "sh bin/run_01_prepare_data.sh"


def test_a_stage_of_another_system_is_given_the_data_set_and_not_the_configuration(config: Path) -> None:
    given = ("--config", str(config), "--seed", "3", "--fold", "0")
    command = command_with(config, *given, default=Path("other.yaml"))
    remedy = command.remedy("run_01_prepare_data.sh", same_config=False)
    assert shlex.split(remedy)[:2] == ["DATA_SET=own", "sh"]
    assert "seed" not in remedy


# ---- help


def help_of(program: str, capsys: pytest.CaptureFixture[str], option: str) -> str:
    stage = load_program(program)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", [f"{program}.py", option])
        stage.main()
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_shows_a_stages_own_options_on_a_page(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(program, capsys, "--help").splitlines()
    assert len(shown) <= 40
    assert any(line.startswith("  --config YAML") for line in shown)
    assert any(line.startswith("  --force") for line in shown)
    assert max(map(len, shown)) <= 200
    options = [line.split()[0] for line in shown if line.startswith("  --")]
    assert len(options) == len(set(options))


def test_help_shows_the_given_values_with_the_comments_beside_their_fields(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command_with(config, "--classifier.size", "64", "--help")
    shown = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("  --")}
    assert shown["--classifier.size"].split(maxsplit=2)[1:] == ["64", "pixels"]
    assert shown["--classifier.epochs"].split()[1] == "2"
    assert "over all processes" in shown["--classifier.batch_size"]
    assert not any(name.startswith("--sequence.") for name in shown)


def test_help_all_shows_every_field(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_with(config, "--help-all")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"--{name}" in shown for name in ("classifier.size", "sequence.epochs", "prepare.fold_count"))
