"""The plain references: each holds its own case worked by hand, and shares nothing with what it checks."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import pytest

REFERENCES = sorted((Path(__file__).parent / "reference").glob("*.py"))


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_a_reference_gives_what_was_worked_out_by_hand(path: Path) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(f"reference.{path.stem}"))
    assert attempted > 0
    assert failed == 0


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_a_reference_imports_nothing_of_the_library(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imported if name.split(".")[0] == "hounsfield"]
