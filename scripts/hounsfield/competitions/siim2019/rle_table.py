"""The table of run lengths, in every spelling that occurs, and what is wrong with its rows.

Columns ImageId and EncodedPixels; the first stage's header has a blank before the second, the second stage's has none.
One film has one row or several, whose masks are one; "-1" says that it shows no pneumothorax.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from hounsfield.competitions.siim2019.rle import EMPTY, read_runs
from hounsfield.core.counts import count_of
from hounsfield.core.errors import Refused, WrongTable
from hounsfield.core.intake.label_cells import delimiter_of, text_of
from hounsfield.core.storage.tables import escape_cell

FILM, RUNS = "ImageId", "EncodedPixels"
ROWS_SHOWN = 3


class RleRow(NamedTuple):
    """One row: where it stands in the file (the header is row 1), whose it is, and its runs as text."""

    number: int
    film: str
    text: str


class Fault(NamedTuple):
    """What is wrong with one row, or one mask."""

    place: str
    film: str
    fact: str


def read_rle_table(content: bytes, source: str) -> list[RleRow]:
    """Read a table of run lengths.

    Raises WrongTable naming `source` when it is no such table, or, with the first rows, when a row holds no runs.
    """
    table = read_columns(content, source, FILM, RUNS)
    rows = [
        RleRow(place, film.strip().removesuffix(".dcm"), text.strip())
        for place, film, text in zip(table.index + 2, table[FILM], table[RUNS], strict=True)
        if film.strip() or text.strip()
    ]
    if not rows:
        raise WrongTable(f"{source} has no rows; write it again as CSV")
    refuse_faults(source, [fault for row in rows if (fault := _fault_of(row)) is not None])
    _refuse_contradictions(source, rows)
    return rows


def read_columns(content: bytes, source: str, *names: str) -> pd.DataFrame:
    """Some columns of a CSV table as text, one row per line; blanks around a header's names do not count.

    Commas, semicolons or tabs between the cells. Raises WrongTable naming `source`.
    """
    text = text_of(content, source)
    try:
        table = pd.read_csv(
            io.StringIO(text, newline=""),
            sep=delimiter_of(text.partition("\n")[0]),
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise WrongTable(f"{source} is not a readable CSV table: {error}; write it again as CSV UTF-8") from error
    table.columns = table.columns.str.strip()
    if not isinstance(table.index, pd.RangeIndex):  # cells beyond the header would be an index
        raise WrongTable(f"{source} has rows with more cells than its header; write it again as CSV")
    if not set(names) <= set(table.columns):
        found, needed = list(map(str, table.columns))[:8], ", ".join(names)
        raise WrongTable(f"{source}: columns {found}; the header must name {needed}. Correct it there")
    return table[list(names)]


def refuse_unknown(source: str, rows: Sequence[RleRow], known: Iterable[str]) -> None:
    """Raise WrongTable where rows belong to films that are not there."""
    films = set(known)
    unknown = [Fault(f"row {row.number}", row.film, "is of no film that is there") for row in rows]
    refuse_faults(source, [fault for fault in unknown if fault.film not in films])


def refuse_faults(source: str, faults: Sequence[Fault]) -> None:
    """Raise WrongTable with the first faults, unless there are none."""
    if faults:
        listing = "; ".join(f"{one.place} ({escape_cell(one.film)[:80]}) {one.fact}" for one in faults[:ROWS_SHOWN])
        first = "" if len(faults) <= ROWS_SHOWN else f"; the first {ROWS_SHOWN}"
        raise WrongTable(
            f"{source}: {count_of(len(faults), 'masks cannot be used')}{first}: {listing}. Correct it there"
        )


def _refuse_contradictions(source: str, rows: Sequence[RleRow]) -> None:
    """Raise WrongTable where one row says that a film shows no pneumothorax, and another one shows where it is."""
    empty = {row.film for row in rows if row.text in ("", EMPTY)}
    both = {row.film: row.number for row in rows if row.film in empty and row.text not in ("", EMPTY)}
    fact = f"has runs here, and {EMPTY} in another row"
    refuse_faults(source, [Fault(f"row {number}", film, fact) for film, number in both.items()])


def _fault_of(row: RleRow) -> Fault | None:
    try:
        read_runs(row.text)
    except Refused as refusal:
        return Fault(f"row {row.number}", row.film, refusal.message)
    return None
