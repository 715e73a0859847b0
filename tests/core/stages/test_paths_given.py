from __future__ import annotations

from pathlib import Path

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.paths_given import add_study_options, paths_apart, refuse_repeated


@pytest.fixture
def parser() -> ArgumentParser:
    made = ArgumentParser()
    made.add_argument("--force", action="store_true")
    made.add_argument("--labels", type=str)
    made.add_argument("--fold", nargs="+")
    made.add_argument("--rate", type=float)
    return made


@pytest.mark.parametrize(
    ("line", "paths", "options"),
    [
        ("a b", ["a", "b"], []),
        ("a --force b", ["a", "b"], ["--force"]),
        ("--labels t.csv a --rate -0.5 b", ["a", "b"], ["--labels", "t.csv", "--rate", "-0.5"]),
        ("--labels=t.csv a", ["a"], ["--labels=t.csv"]),
        ("--fold 0 1 --force a", ["a"], ["--fold", "0", "1", "--force"]),
        ("--fold 0 all -- --strange a", ["--strange", "a"], ["--fold", "0", "all"]),
        ("a --misspelt b", ["a", "b"], ["--misspelt"]),
        ("a --labels", ["a"], ["--labels"]),
    ],
)
def test_paths_stand_anywhere_among_the_options(
    parser: ArgumentParser, line: str, paths: list[str], options: list[str]
) -> None:
    assert paths_apart(parser, line.split()) == (paths, options)


def test_an_option_of_any_number_of_words_leaves_what_is_there_as_a_file(
    parser: ArgumentParser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my studies").mkdir()
    (tmp_path / "1").mkdir()
    found = paths_apart(parser, ["--fold", "0", "1", "my studies", "missing"])
    assert found == (["my studies", "missing"], ["--fold", "0", "1"])


def test_a_list_in_a_variable_and_in_its_option_is_no_repetition() -> None:
    parser, words = ArgumentParser(), ["--archive", "a", "--archive", "b"]
    parser.add_argument("--archive", nargs="+")
    refuse_repeated(parser, words, {"ARCHIVE"})
    with pytest.raises(WrongUse, match="--archive is given 2 times"):
        refuse_repeated(parser, words, set())


@pytest.mark.parametrize("jobs", ["0", "-3"])
def test_given_studies_are_read_by_at_least_one_process(jobs: str) -> None:
    parser = ArgumentParser(exit_on_error=False)
    add_study_options(parser)
    with pytest.raises(ArgumentError, match=f"--jobs: {jobs}: give a whole number from 1"):
        parser.parse_args([f"--jobs={jobs}"])
