"""Names of files in tables: no formula, no end of a line, nothing that steers a terminal."""

from __future__ import annotations

import pytest

from hounsfield.core.storage.tables import escape_cell


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)"])
def test_a_file_name_that_looks_like_a_formula_is_escaped(cell):
    assert escape_cell(cell) == f"'{cell}"
    assert escape_cell(f"a{cell}") == f"a{cell}"


@pytest.mark.parametrize(
    ("cell", "printed"),
    [("\t=1", r"\t=1"), ("a\r=1", r"a\r=1"), ("a\n=1", r"a\n=1"), ("\x1b[2J", r"\x1b[2J"), ("a\u202eb", r"a\u202eb")],
)
def test_a_file_name_cannot_end_a_line_of_a_table_or_steer_a_terminal(cell, printed):
    assert escape_cell(cell) == printed
    assert escape_cell("Jüne ☃") == "Jüne ☃"
