"""The commands that a message prints, and what runs them: this process, or a shell in which they are pasted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from programs import REPOSITORY, run_program

VARIABLES = ("CONFIG", "WORK", "DATA_SET", "FOLDS", "ARCHIVE")
COMMAND = re.compile(r": ((?:[A-Z_]+=.*)?sh \S.*)$", re.MULTILINE)
STARTED = re.compile(r"^(?:program|launch) scripts/(\w+)\.py", re.MULTILINE)


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
        with pytest.MonkeyPatch.context() as patch:
            for name in VARIABLES:
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            run_program(started[1], *words[at + 2 :])


def stage_of(line: str) -> list[str]:
    """The stages that a line runs: run_12 and so on."""
    return re.findall(r"bin/(run_\d\d)", line)


def shell_variables() -> dict[str, str]:
    """What a shell needs to run the stages with this environment."""
    import os
    import sys

    assert (REPOSITORY / "bin").is_dir()
    return {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
