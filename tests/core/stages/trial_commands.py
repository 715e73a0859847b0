"""Command lines of a stage that is there for the tests alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.core.stages.command import Command, Stage, parse, stage_parser
from hounsfield.hemorrhage.config import HemorrhageConfig

VARIABLES = ("CONFIG", "WORK", "DATA_SET", "FOLDS")


def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests has set is not to count."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def command_with(path: Path, *argv: str, role: str = "trains", default: Path | None = None) -> Command:
    stage = Stage(HemorrhageConfig, "test", default or path, role=role, parts=("data_set", "classifier"), single=True)
    return parse(stage_parser(stage), stage, argv)


def parse_with(path: Path, *argv: str) -> HemorrhageConfig:
    return command_with(path, *argv).config


def write_trial(path: Path) -> Path:
    path.write_text("data_set: own\nclassifier: {epochs: 2, mean: [0, 0.5, 1]}\n")
    return path
