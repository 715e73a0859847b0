"""Parquet tables with a declared schema: a missing or mistyped column is an error at the file, not three stages on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.files import atomic_write

ADDED_LATER = frozenset({"vendor"})  # columns that tables of older versions lack, and whose values are null there


def to_arrow(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Convert `frame` to exactly `schema`; a missing column is an error, an extra one is dropped."""
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    return table.replace_schema_metadata(None)


def write_table(path: Path, frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Write `frame` to a Parquet file, whole or not at all. The same rows give the same bytes."""
    write_arrow(path, to_arrow(frame, schema))


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write a table that has its schema already, as `write_table` does; how it was put together is not seen."""
    with atomic_write(path) as partial:
        pq.write_table(table.combine_chunks(), partial, compression="zstd")


def read_table(
    path: Path, schema: pa.Schema, *, remedy: str = "", columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a Parquet table and hold it against `schema`; as `read_arrow` does, for pandas."""
    return read_arrow(path, schema, remedy=remedy, columns=columns).to_pandas()


def read_arrow(path: Path, schema: pa.Schema, *, remedy: str = "", columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet table and hold it against `schema`.

    remedy: how to make the file, for the error message. columns: those wanted; all of the schema's when None.
    Raises MissingInput when the file is not there, BadInput when it is no such table.
    """
    wanted = list(columns) if columns is not None else schema.names
    try:
        lacking = ADDED_LATER & set(wanted) - set(pq.read_schema(path).names)
        table = pq.read_table(path, columns=[name for name in wanted if name not in lacking])
    except FileNotFoundError:
        raise MissingInput(f"{path} is missing{'; make it with: ' + remedy if remedy else ''}") from None
    except pa.ArrowException as error:
        raise BadInput(f"{path} is not a readable Parquet table ({error}); make it again") from error
    expected = pa.schema([schema.field(name) for name in wanted])
    for name in lacking:
        table = table.append_column(schema.field(name), pa.nulls(len(table), schema.field(name).type))
    found = table.schema.remove_metadata()
    if set(found.names) != set(wanted):
        raise BadInput(f"{path}: missing columns {sorted(set(wanted) - set(found.names))}; make it again")
    table = table.select(wanted)
    if not table.schema.remove_metadata().equals(expected):
        wrong = [f.name for f in expected if found.field(f.name).type != f.type]
        raise BadInput(f"{path}: columns {wrong} have another type than expected; make it again")
    return table.replace_schema_metadata(None)


def has_schema(path: Path, schema: pa.Schema) -> bool:
    """Whether a Parquet table has these columns and no others, but for those of ADDED_LATER; True where it is damaged,
    which its reader says.
    """
    try:
        found = pq.read_schema(path).remove_metadata()
        lacking = ADDED_LATER - set(found.names)
        return bool(found.equals(pa.schema([field for field in schema.remove_metadata() if field.name not in lacking])))
    except (pa.ArrowException, OSError):
        return True


def escape_cell(cell: str) -> str:
    """The text of a cell, made harmless for spreadsheets and terminals: no formula, no line break, no control code."""
    printed = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in cell)
    return f"'{printed}" if printed.startswith(("=", "+", "-", "@")) else printed
