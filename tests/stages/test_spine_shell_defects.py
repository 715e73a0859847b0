"""What kept the published spine scripts from running must not come back: defects of the specification's section 8."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_tree import STAGES, Tree

SPINE = [stage for stage in STAGES if "_spine_" in stage]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_there_is_a_stage_for_each_of_the_six_steps() -> None:
    assert [stage[:6] for stage in SPINE] == [f"run_5{number}" for number in range(1, 7)]


@pytest.mark.parametrize("stage", SPINE)
def test_a_step_is_one_program_and_fails_with_it_instead_of_dying_after_training(tree: Tree, stage: str) -> None:
    """Defect 1: steps 3 and 4 trained first, and then died of a loop without its `do`."""
    assert tree.run(stage).returncode == 0
    assert len(tree.programs()) == 1
    assert tree.run(stage, EXIT="7").returncode == 7


@pytest.mark.parametrize("stage", SPINE)
def test_a_program_gets_what_was_given_and_no_name_of_a_variable_in_its_place(tree: Tree, stage: str) -> None:
    """Defect 2: steps 2 to 4 all passed the word WEIGHTS_NAME. The program is a stub here."""
    given = ("--fold", "1", "--weights", "a b.safetensors")
    assert tree.run(stage, *given, CONFIG="mine.yaml").returncode == 0
    start, _, arguments = tree.calls()[0].partition(".py|")
    assert start.startswith("CONFIG=mine.yaml|scripts/")
    assert arguments == "|".join(given)


@pytest.mark.parametrize("stage", SPINE)
def test_a_step_runs_from_any_folder_and_leaves_nothing_there(tree: Tree, tmp_path: Path, stage: str) -> None:
    """Defect 4: no shebang, no `set -e`, a changed directory, paths that began with `./`, and its input missed."""
    first, *lines = (tree.root / "bin" / stage).read_text().splitlines()
    assert (first, "set -eu" in lines) == ("#!/bin/sh", True)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    done = tree.run(str(tree.root / "bin" / stage), cwd=elsewhere, WORK="../work")
    assert (done.returncode, list(elsewhere.iterdir())) == (0, []), done.stderr
    assert tree.calls()[0].startswith("WORK=../work|scripts/")
