"""bin/_stage.sh and the Python environment: which one is used, when it is made, and what a person is told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from shell_tree import Tree

from faults.processes import PATIENCE

STAGE = "run_12_trainfull_imgclassifier.sh"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A clone in which nothing was installed yet; the stand-in is python3, and brings all that is asked for."""
    made = Tree(tmp_path)
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "python3").symlink_to(made.python)
    return made


def run(tree: Tree, **variables: str) -> subprocess.CompletedProcess[str]:
    """A stage whose interpreter is not named."""
    return tree.run(STAGE, **{"PYTHON": "", "PATH": f"{tree.python.parent / 'path'}:/usr/bin:/bin", **variables})


def installations(tree: Tree) -> list[str]:
    return [" ".join(call.split("|")[1:4]) for call in tree.calls() if call.startswith("-m|")]


FIRST = ["venv .venv", "pip install --quiet", "uv pip sync"]


def test_environment_is_made_once_and_again_only_when_the_lock_file_changed(tree: Tree) -> None:
    assert run(tree).returncode == 0
    assert installations(tree) == FIRST
    sync = next(call for call in tree.calls() if call.startswith("-m|uv"))
    options = "--quiet|--compile-bytecode|--python|.venv/bin/python|--require-hashes"
    assert sync == f"-m|uv|pip|sync|{options}|requirements.lock"
    assert "Installing" not in run(tree).stderr
    assert installations(tree) == FIRST
    tree.write("requirements.lock", "uv==3\n")
    assert "Installing requirements.lock into " in run(tree).stderr.replace(f"{tree.root}/", "")
    assert installations(tree) == [*FIRST, FIRST[-1]]
    assert tree.programs() == ["hemorrhage_train_classifier"] * 3


def test_uv_itself_is_installed_by_its_hashes_alone(tree: Tree) -> None:
    run(tree)
    assert (tree.root / ".venv" / "uv.lock").read_text() == "uv==2\n    --hash=sha256:1\n"
    install = next(call for call in tree.calls() if call.startswith("-m|pip"))
    assert install.endswith("|--require-hashes|-r|.venv/uv.lock")


def test_interrupted_installation_is_not_taken_for_a_finished_one(tree: Tree) -> None:
    assert run(tree, UV_EXIT="1").returncode != 0
    assert tree.programs() == []
    assert run(tree).returncode == 0
    assert installations(tree) == FIRST * 2


def test_stages_started_at_once_install_once(tree: Tree) -> None:
    path = f"{tree.python.parent / 'path'}:/usr/bin:/bin"
    running = [tree.start(STAGE, PYTHON="", PATH=path, UV_SECONDS="0.7") for _ in range(3)]
    for stage in running:
        stage.wait(PATIENCE)
    assert [stage.returncode for stage in running] == [0, 0, 0]
    assert installations(tree) == FIRST


def test_killed_installation_is_begun_anew_by_the_next_stage(tree: Tree) -> None:
    stage = tree.start(STAGE, PYTHON="", PATH=f"{tree.python.parent / 'path'}:/usr/bin:/bin", UV_SECONDS="2")
    tree.wait_for_call("-m|uv")
    stage.kill()
    stage.wait(PATIENCE)
    assert run(tree).returncode == 0
    assert installations(tree) == FIRST * 2


def test_an_interpreter_that_is_named_is_used_and_nothing_installed(tree: Tree) -> None:
    done = tree.run(STAGE)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree.calls() == ["scripts/hemorrhage_train_classifier.py"]


def answers(tree: Tree, condition: str, exit_code: int, words: str = "") -> None:
    """Let the stand-in answer a question that has these words in it."""
    stand_in = tree.python.read_text().removeprefix("#!/bin/sh\n")
    tree.python.write_text(
        f"#!/bin/sh\ncase \"$*\" in *{condition}*) echo '{words}' >&2; exit {exit_code} ;; esac\n{stand_in}"
    )


def test_what_a_named_interpreter_lacks_is_said(tree: Tree) -> None:
    answers(tree, "find_spec", 1, "timm, pydicom")
    done = tree.run(STAGE)
    assert done.returncode == 2
    assert "lacks timm, pydicom; install requirements.txt there, or leave out PYTHON" in done.stderr


def test_too_old_python_is_named_with_its_remedy(tree: Tree) -> None:
    answers(tree, "sys.version_info", 1)
    done = run(tree, PATH=f"{tree.python.parent / 'path'}:{only_tools(tree)}")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "Python 3.11, 3.12 or 3.13 is needed as python3, python3.13, python3.12 or python3.11\n"
    )


def test_too_new_python_is_refused_with_the_package_that_it_lacks(tree: Tree) -> None:
    answers(tree, "sys.version_info", 3)
    done = run(tree, PATH=f"{tree.python.parent / 'path'}:{only_tools(tree)}")
    assert done.returncode == 2
    assert done.stderr.endswith("(python3 is too new: pyjpegls, which decodes JPEG-LS, has no wheel for it)\n")
    assert installations(tree) == []


def only_tools(tree: Tree) -> Path:
    """A folder with what the stage calls, and no Python."""
    folder = tree.python.parent / "tools"
    folder.mkdir()
    for name in ("dirname", "readlink", "cksum", "cat", "mkdir", "sed", "sh", "awk", "rm", "getconf"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def test_python_that_is_not_there_is_named(tree: Tree) -> None:
    done = tree.run(STAGE, PYTHON="/nowhere/python")
    assert (done.returncode, done.stderr) == (2, "PYTHON=/nowhere/python is not a program\n")


def test_python_without_venv_gets_debian_s_remedy(tree: Tree) -> None:
    answers(tree, "ensurepip", 1)
    done = run(tree)
    assert done.returncode == 2
    assert done.stderr.endswith("python3 has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv\n")


def test_current_environment_costs_no_time(tree: Tree) -> None:
    run(tree)
    tree.python.write_text("#!/bin/sh\nexit 1\n")  # the base interpreter is not even asked
    done = tree.run(STAGE, PYTHON=str(tree.root / ".venv" / "bin" / "python"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", [["--python", "{}"], ["--python={}"]])
def test_gpu_checks_take_the_interpreter_that_is_named_and_hand_the_rest_on(tmp_path: Path, option: list[str]) -> None:
    tree = Tree(tmp_path)
    named = [word.format(tree.python) for word in option]
    done = tree.run("run_93_gpu_checks.sh", "--only", "resume", *named, "--quick", PYTHON="/no/such/python")
    assert done.returncode == 0, done.stderr
    (call,) = tree.calls()
    assert call.startswith("tests/gpu_checks/run.py")
    assert call.endswith("--only|resume|--quick")
