"""Names of files in tables: no formula, no end of a line, nothing that steers a terminal."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hounsfield.core.errors import BadInput
from hounsfield.core.storage.tables import escape_cell, has_schema, read_table, write_table

SCHEMA = pa.schema([("name", pa.string()), ("vendor", pa.string()), ("rows", pa.int32())])


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


def test_a_table_of_an_older_version_lacks_nothing_but_values_that_nobody_recorded_then(tmp_path: Path) -> None:
    older, path = pa.schema([field for field in SCHEMA if field.name != "vendor"]), tmp_path / "t.parquet"
    write_table(path, pd.DataFrame({"name": ["a", "b"], "rows": [1, 2]}), older)
    assert has_schema(path, SCHEMA)
    found = read_table(path, SCHEMA)
    assert list(found.columns) == SCHEMA.names
    assert found["rows"].tolist() == [1, 2]
    assert found["vendor"].isna().all()
    assert list(read_table(path, SCHEMA, columns=["vendor"]).columns) == ["vendor"]


def test_a_table_that_lacks_another_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"name": ["a"], "vendor": ["GE"]}), path)
    assert not has_schema(path, SCHEMA)
    with pytest.raises(BadInput, match=r"t\.parquet"):
        read_table(path, SCHEMA)
