"""A table as people have it, as text in cells: CSV of any usual kind, or Parquet."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hounsfield.core.counts import count_of
from hounsfield.core.errors import MissingInput, WrongTable
from hounsfield.core.foreign_text import one_line

MAX_TABLE_BYTES = 2 * 2**30
DELIMITERS = ",;\t"
SEPARATOR_LINE = re.compile(r"\s*sep=(.)\s*", re.IGNORECASE)  # how Excel is told the delimiter
FORMULA = re.compile(r'="(.*)"', re.DOTALL)  # how Excel is kept from making a number of an identifier
PACKED = {
    b"PK\x03\x04": "an Excel workbook or a zip",
    b"\x1f\x8b": "packed with gzip",
    b"\xd0\xcf\x11\xe0": "old Excel",
}


class Cells(NamedTuple):
    """The cells of a table as text without blanks around it, "" where there is nothing."""

    table: pd.DataFrame  # (R, columns)
    lines: np.ndarray  # (R,) the line of each row in the file; the header is line 1


def read_cells(path: Path) -> Cells:
    """Read a table of text. Rows and unnamed columns that are empty are left out.

    CSV: with or without a byte-order mark, in UTF-8 or UTF-16, any line ends, commas, semicolons or tabs, Excel's
    quoting. Parquet: any simple types. Raises MissingInput or WrongTable naming the file and the fact.
    """
    if not path.is_file():
        raise MissingInput(f"{one_line(path)} is no file; name a CSV or Parquet table")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise WrongTable(f"{one_line(path)} holds more than {MAX_TABLE_BYTES} bytes; that is no table of labels")
    return cells_of(path.read_bytes(), one_line(path))


def cells_of(content: bytes, source: str) -> Cells:
    """The cells of a table from its bytes, as `read_cells`. source: where they come from, for messages."""
    if content[:4] == b"PAR1":
        return _tidy(*_parquet(content, source), source)
    return _tidy(*_csv(text_of(content, source), source), source)


def delimiter_of(header: str) -> str:
    """What stands between the cells of a table's first line: the comma, semicolon or tab that it has most of."""
    return max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)


def text_of(content: bytes, source: str) -> str:
    """The text of a table, which is in UTF-8 or, with its mark, in UTF-16. Raises WrongTable naming `source`."""
    for magic, what in PACKED.items():
        if content.startswith(magic):
            raise WrongTable(f"{source} is {what}; save it as CSV (UTF-8) or Parquet")
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongTable(f"{source} is no text in UTF-8 (byte {error.start}); save it as CSV UTF-8") from error
    if "\0" in text:
        raise WrongTable(f"{source} holds zero bytes, so it is no text; save it as CSV UTF-8")
    return text


def _csv(text: str, source: str) -> tuple[list[list[str]], np.ndarray]:
    """All rows, the header first, and their lines."""
    first, _, rest = text.partition("\n")
    told = SEPARATOR_LINE.fullmatch(first.rstrip("\r"))
    skipped = 1 if told else 0
    header = (rest if told else text).partition("\n")[0]
    delimiter = told.group(1) if told else delimiter_of(header)
    reader = csv.reader(io.StringIO(rest if told else text, newline=""), delimiter=delimiter, strict=True)
    rows, lines, start = [], [], 1 + skipped
    try:
        for row in reader:
            rows.append(row)
            lines.append(start)
            start = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise WrongTable(f"{source}: line {start} cannot be read as CSV ({error}); write it again") from error
    return rows, np.array(lines, np.int64)


def _parquet(content: bytes, source: str) -> tuple[list[list[str]], np.ndarray]:
    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise WrongTable(f"{source} is not a readable Parquet table ({error}); write it again") from error
    columns = [["" if value is None or value != value else str(value) for value in one.to_pylist()] for one in table]
    rows = [list(map(str, table.column_names)), *map(list, zip(*columns, strict=True))]
    return rows, np.arange(1, len(rows) + 1)


def _tidy(rows: list[list[str]], lines: np.ndarray, source: str) -> Cells:
    rows = [[_plain(cell) for cell in row] for row in rows]
    kept = [place for place, row in enumerate(rows) if any(row)]
    if len(kept) < 2:
        raise WrongTable(f"{source}: {'no rows below its header' if kept else 'nothing in it'}")
    header, body = rows[kept[0]], [rows[place] for place in kept[1:]]
    while header and not header[-1] and not any(len(row) >= len(header) and row[len(header) - 1] for row in body):
        header = header[:-1]
    long = [int(lines[place]) for place, row in zip(kept[1:], body, strict=True) if any(row[len(header) :])]
    if long:
        raise WrongTable(
            f"{source}: {count_of(len(long), 'rows have more cells than the header')}; the first lines: {long[:10]}"
        )
    if header[:1] == [""] and [row[0] for row in body] in (
        [str(n + first) for n in range(len(body))] for first in (0, 1)
    ):
        header, body = header[1:], [row[1:] for row in body]  # numbers of the rows, as pandas writes them
    if not all(header):
        raise WrongTable(f"{source}: column {header.index('') + 1} has cells and no name; name it in the header")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        remedy = "leave one of each, or, where the first line holds no names, put the columns' names above it"
        raise WrongTable(f"{source}: columns stand twice: {', '.join(twice)}; {remedy}")
    filled = [(row + [""] * len(header))[: len(header)] for row in body]
    return Cells(pd.DataFrame(filled, columns=header, dtype=str), lines[kept[1:]])


def _plain(cell: str) -> str:
    cell = cell.strip()
    formula = FORMULA.fullmatch(cell)
    return (formula.group(1) if formula else cell).strip()
