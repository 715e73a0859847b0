"""Runs the stage programs inside the test process: importing torch anew for each would take longer than the stages."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MINI_CONFIG = REPOSITORY / "tests" / "phantoms" / "mini.yaml"


def load_program(name: str) -> ModuleType:
    """Import `scripts/<name>.py` as a module."""
    specification = importlib.util.spec_from_file_location(name, REPOSITORY / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def run_program(name: str, *arguments: object) -> None:
    """Run a program's main with these arguments; what it raises, it raises here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        load_program(name).main()
