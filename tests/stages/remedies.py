"""The commands that a message prints, and what runs them: this process, or a shell in which they are pasted."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from programs import REPOSITORY, run_program

VARIABLES = ("CONFIG", "WORK", "DATA_SET", "FOLDS", "ARCHIVE")
COMMAND = re.compile(r": ((?:[A-Z_]+=.*)?sh \S.*)$", re.MULTILINE)
STARTED = re.compile(r"^(?:program|launch) scripts/(\w+)\.py", re.MULTILINE)

# Stands for Python in a shell: it writes down what it is to run, and with which variables.
RECORDER = """#!/bin/sh
if [ "$1" = -c ]; then exec "$REAL_PYTHON" "$@"; fi
exec "$REAL_PYTHON" -S -c 'import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")' "$@"
"""


def remedies_in(message: object) -> list[str]:
    """The lines that a person would paste; one may hold several commands."""
    return COMMAND.findall(str(message))


def paste(line: str) -> None:
    """Do what a line does, with the programs in this process, which are imported already."""
    for command in line.split(" && "):
        words = shlex.split(command)
        at = words.index("sh")
        variables = dict(word.split("=", 1) for word in words[:at])
        started = STARTED.search(Path(words[at + 1]).read_text())
        run_with(variables, started[1], *words[at + 2 :])


def run_with(variables: Mapping[str, str], program: str, *words: str) -> None:
    """Run a program in this process; of VARIABLES these alone are set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        run_program(program, *words)


def stage_of(line: str) -> list[str]:
    """The stages that a line runs: run_12 and so on."""
    return re.findall(r"bin/(run_\d\d)", line)


def paste_into_shell(line: str, folder: Path) -> None:
    """Run a line in a shell, and then in this process the programs that it has started there.

    Programs that import torch anew take longer than what they do. folder: for what the shell leaves.
    """
    python, calls = folder / "python", folder / "calls"
    python.write_text(RECORDER)
    python.chmod(0o755)
    calls.write_text("")
    variables = {"PATH": os.environ["PATH"], "PYTHON": str(python), "REAL_PYTHON": sys.executable, "CALLS": str(calls)}
    done = subprocess.run(["sh", "-c", line], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    started = [json.loads(call) for call in calls.read_text().splitlines()]
    assert started, line
    for (program, *words), environment in started:
        assert Path(program).parent == REPOSITORY / "scripts"
        run_with({name: environment[name] for name in VARIABLES if name in environment}, Path(program).stem, *words)
