"""bin/_stage.sh and the Python environment: which one is used, when it is made, and what a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_tree import Tree

STAGE = "run_12_trainfull_imgclassifier.sh"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A clone in which nothing was installed yet, beside an environment that lacks something."""
    made = Tree(tmp_path)
    made.write("data/rsna2019/slices.parquet")
    made.write("requirements.txt", "pytest>=1\nno-such-library>=2  # to be missed\n")
    made.python.write_text(made.python.read_text().replace("cat >/dev/null; exit 0", 'exec "$REAL_PYTHON" "$@"'))
    return made


def installations(tree: Tree) -> list[str]:
    return [call.split("|")[1] for call in tree.calls() if call.startswith(("-m|venv", "-m|uv"))]


def test_environment_is_made_once_and_again_only_when_the_lock_file_changed(tree: Tree) -> None:
    assert tree.run(STAGE).returncode == 0
    assert installations(tree) == ["venv", "uv"]
    sync = next(call for call in tree.calls() if call.startswith("-m|uv"))
    options = "--quiet|--compile-bytecode|--python|.venv/bin/python|--require-hashes"
    assert sync == f"-m|uv|pip|sync|{options}|requirements.lock"
    assert "Installing" not in tree.run(STAGE).stderr
    assert installations(tree) == ["venv", "uv"]
    tree.write("requirements.lock", "one==2\n")
    assert "Installing requirements.lock into .venv" in tree.run(STAGE).stderr
    assert installations(tree) == ["venv", "uv", "uv"]


def test_interrupted_installation_is_not_taken_for_a_finished_one(tree: Tree) -> None:
    assert tree.run(STAGE, UV_EXIT="1").returncode != 0
    assert not any("classifier" in program for program in tree.programs())
    assert tree.run(STAGE).returncode == 0
    assert installations(tree) == ["venv", "uv", "venv", "uv"]


def test_stages_started_at_once_install_once(tree: Tree) -> None:
    running = [tree.start(STAGE, UV_SECONDS="0.7") for _ in range(3)]
    for stage in running:
        stage.wait(60)
    assert [stage.returncode for stage in running] == [0, 0, 0]
    assert installations(tree) == ["venv", "uv"]


def test_killed_installation_is_begun_anew_by_the_next_stage(tree: Tree) -> None:
    stage = tree.start(STAGE, UV_SECONDS="2")
    tree.wait_for_call("-m|uv")
    stage.kill()
    stage.wait(20)
    assert tree.run(STAGE).returncode == 0
    assert installations(tree) == ["venv", "uv", "venv", "uv"]


@pytest.mark.parametrize("variable", ["PYTHON", "VIRTUAL_ENV"])
def test_environment_that_satisfies_the_requirements_is_used(tree: Tree, tmp_path: Path, variable: str) -> None:
    tree.write("requirements.txt", "# a comment\npytest>=1  # a reason\n")
    active = tmp_path / "active" / "bin" / "python"
    active.parent.mkdir(parents=True)
    tree.python.rename(active)
    value = str(active) if variable == "PYTHON" else str(tmp_path / "active")
    done = tree.run(STAGE, **{"PYTHON": "", variable: value})
    assert (done.returncode, done.stderr) == (0, "")
    assert tree.programs() == ["hemorrhage_train_classifier 0 1 2"]


def test_what_an_active_environment_lacks_is_named(tree: Tree) -> None:
    tree.write("requirements.txt", "pytest>=999\nno-such-library>=2  # to be missed\n")
    done = tree.run(STAGE)
    missing = f"pytest>=999 (it has {pytest.__version__}), no-such-library>=2"
    assert done.stderr.count("lacks") == 1
    assert f"{tree.python} lacks {missing}; using .venv instead\n" in done.stderr


def test_too_old_python_is_named_with_its_remedy(tree: Tree) -> None:
    code = "sys.stdin.read() if sys.argv[1] == '-' else sys.argv[2]"
    old = f"import sys; sys.version_info = (3, 9, 1, 'final', 0); exec({code})"
    tree.python.write_text(f'#!/bin/sh\nexec "$REAL_PYTHON" -c "{old}" "$@"\n')
    done = tree.run(STAGE)
    assert done.returncode == 2
    assert "lacks Python 3.11 or newer (it is 3.9)" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"Python 3.11 or newer is needed, and {tree.python} is 3.9. "
        f"Install one, or name one: PYTHON=/path/to/python3.11 sh bin/{STAGE}"
    )


def test_python_that_is_not_there_is_named(tree: Tree) -> None:
    done = tree.run(STAGE, PYTHON="/nowhere/python")
    assert (done.returncode, done.stderr) == (2, "/nowhere/python (PYTHON or VIRTUAL_ENV) is not a program\n")


def test_python_without_venv_gets_debian_s_remedy(tree: Tree) -> None:
    tree.python.write_text('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; *) exec "$REAL_PYTHON" "$@" ;; esac\n')
    done = tree.run(STAGE)
    assert done.returncode == 2
    assert done.stderr.endswith("it has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv\n")


def test_current_environment_costs_no_time(tree: Tree) -> None:
    tree.run(STAGE)
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
