"""Label tables as people have them: what a row names, which columns are labels, and what a table may not say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from hounsfield.core.counts import count_of
from hounsfield.core.errors import WrongTable, WrongUse
from hounsfield.core.intake.label_cells import Cells, read_cells
from hounsfield.core.logs import logger
from hounsfield.core.storage.files import value_digest

Key = Literal["instance", "file", "series", "study"]
# names of the column that says what a row is of, in any spelling; the most exact of several counts
KEYS: dict[Key, frozenset[str]] = {
    "instance": frozenset({"sopinstanceuid", "sopuid", "sop", "instanceuid"}),
    "file": frozenset({"image", "path", "file", "filename", "filepath", "imagepath", "relativepath", "dicom"}),
    "series": frozenset({"seriesinstanceuid", "seriesuid"}),
    "study": frozenset({"studyinstanceuid", "studyuid"}),
}
KEY_HELP = "image, path or file name, SOPInstanceUID, SeriesInstanceUID or StudyInstanceUID"
ANY = "any"  # the name that means "any of the others", unless another one is said to
CLASS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,62}")  # names become columns and parts of file names
TRUE, FALSE = frozenset({"1", "true", "yes", "t", "y"}), frozenset({"0", "false", "no", "f", "n"})
UNKNOWN = frozenset({"", "na", "n/a", "nan", "null", "none", "unknown", "?"})
SHOWN = 10


@dataclass(frozen=True)
class LabelTable:
    """Rows of labels, each of a file, a series or a study. R rows, C names."""

    source: str  # for messages
    key: Key
    keys: np.ndarray  # (R,) of str: what each row is of; identifiers as the table has them
    lines: np.ndarray  # (R,) the row's line in the table
    values: pd.DataFrame  # (R, C) float64: 0, 1, or a probability; NaN where unknown
    any_of: str | None  # the name that means "any of the others"
    soft: bool  # there may be probabilities

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of the table."""
        return tuple(map(str, self.values.columns))

    def digest(self) -> str:
        """Changes with any row or label."""
        content = [self.key, self.keys.tolist(), list(self.names), self.any_of, self.soft]
        return value_digest([*content, self.values.astype(object).where(self.values.notna(), None).to_numpy().tolist()])


def label_table(
    cells: Cells,
    source: str,
    *,
    classes: Sequence[str] = (),
    any_of: str | None = None,
    soft: bool = False,
    reserved: Collection[str] = (),
    options: bool = True,
) -> LabelTable:
    """A table of labels from its cells; what it cannot mean is refused.

    source: where it comes from, for messages. classes: the columns that are labels; all but those that name files,
    series, studies and patients where none are given. any_of: the class that means "any of the others", by default one
    that is called so. soft: labels may be probabilities. reserved: names that no class may have. options: the
    command has --classes and --soft-labels, which messages may then name. Raises WrongTable naming the source, the fact
    and the first ten places, and WrongUse where an option names a column that is not there.
    """
    key, column = _key(cells, source)
    names = _class_names(cells, column, classes, source, reserved)
    values = pd.DataFrame({name: _numbers(cells, name, source, soft=soft, options=options) for name in names})
    means_any = any_of or (ANY if ANY in names and len(names) > 1 else None)
    if means_any is not None and (means_any not in names or len(names) < 2):
        raise WrongUse(f"{source}: {means_any} cannot mean any of the others; the classes are {', '.join(names)}")
    others = [name for name in cells.table.columns if name != column and _names_a_key(name)]
    if others:
        logger.info("%s: each row is of the %s in column %s; not used: %s", source, key, column, ", ".join(others))
    keys = cells.table[column].to_numpy(str)
    nameless = cells.lines[keys == ""]
    _refuse(source, f"rows without a {column}", nameless)
    table = _without_repeats(LabelTable(source, key, keys, cells.lines, values, means_any, soft))
    _check_positives(table)
    return table


def read_keys(path: Path) -> tuple[Key, np.ndarray]:
    """What the rows of a table are of, and which: of a table that names files, series or studies and need say no more.

    Returns the kind and (R,) of str. Raises WrongTable.
    """
    cells = read_cells(path)
    key, column = _key(cells, str(path))
    return key, np.unique(cells.table[column].to_numpy(str))


def _spelling(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names_a_key(column: str) -> bool:
    return any(_spelling(column) in spellings for spellings in KEYS.values())


def _key(cells: Cells, source: str) -> tuple[Key, str]:
    for key, spellings in KEYS.items():
        found = [name for name in cells.table.columns if _spelling(name) in spellings]
        if len(found) > 1:
            raise WrongTable(f"{source}: columns {', '.join(found)} all name the {key}; leave one of them")
        if found:
            return key, found[0]
    patients = " Labels by patient say of no slice what it shows." if _patients(cells.table.columns) else ""
    raise WrongTable(f"{source}: no column says what a row is of ({list(cells.table.columns)[:8]}).{patients} "
                   f"Call it {KEY_HELP}")  # fmt: skip


def _patients(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if _spelling(name) in ("patientid", "patient", "mrn")]


def _class_names(
    cells: Cells, column: str, classes: Sequence[str], source: str, reserved: Collection[str]
) -> list[str]:
    columns = list(map(str, cells.table.columns))
    absent = [name for name in classes if name not in columns]
    if absent:
        raise WrongUse(f"{source} has no column {', '.join(absent)}; it has {', '.join(columns)}")
    others = {*_patients(columns), *filter(_names_a_key, columns)}
    names = list(dict.fromkeys(classes)) or [name for name in columns if name not in others]
    if not names:
        raise WrongTable(f"{source}: {column} is its only column; a column for each class is missing")
    strange = [name for name in names if not CLASS.fullmatch(name) or ".." in name or name in reserved]
    if strange:
        raise WrongTable(
            f"{source}: {', '.join(map(ascii, strange[:SHOWN]))} cannot name a class; use letters, digits, '_', "
            "'-', and no name of a column of the slices"
        )
    return names


def _numbers(cells: Cells, name: str, source: str, *, soft: bool, options: bool) -> np.ndarray:
    """One column as 0, 1, a probability, or NaN, (R,) float64."""
    text = cells.table[name].str.lower()
    numbers = pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce").astype(np.float64)
    numbers = numbers.mask(text.isin(TRUE), 1.0).mask(text.isin(FALSE), 0.0).mask(text.isin(UNKNOWN))
    wrong = ~(text.isin(UNKNOWN) | numbers.between(0, 1)).to_numpy()
    others = f", or name the columns that are labels (without {name}): --classes NAME [NAME ...]" if options else ""
    fact = f"values of {name} that are no label (0, 1, true, false, blank)"
    _refuse(source, fact, cells.lines[wrong], f"Correct them{others}")
    between = (numbers.notna() & ~numbers.isin([0, 1])).to_numpy()
    if not soft:
        remedy = "To learn from probabilities say so: --soft-labels" if options else "0, 1 or a blank is needed"
        _refuse(source, f"values of {name} between 0 and 1", cells.lines[between], remedy)
    return numbers.to_numpy()


def _without_repeats(table: LabelTable) -> LabelTable:
    """One row for each key. Raises WrongTable where rows of one key contradict each other, or themselves."""
    content = table.values.assign(key=table.keys)
    first = ~content.duplicated().to_numpy()
    contradicting = content[first].duplicated("key", keep=False).to_numpy()
    _refuse(table.source, "rows contradict others of the same name", table.lines[first][contradicting])
    if not first.all():
        logger.info("%s: rows that repeat others, and count once: %d", table.source, (~first).sum())
    kept = LabelTable(
        table.source, table.key, table.keys[first], table.lines[first], table.values[first].reset_index(drop=True),
        table.any_of, table.soft,
    )  # fmt: skip
    if kept.any_of is not None:
        others = kept.values.drop(columns=kept.any_of) > 0.5
        broken = (others.any(axis=1) & (kept.values[kept.any_of] < 0.5)).to_numpy()
        fact = f"rows have {kept.any_of} = 0 beside a positive class"
        _refuse(kept.source, fact, [f"{line}{_shown(kept, line)}" for line in kept.lines[broken]])
    return kept


def _shown(table: LabelTable, line: int) -> str:
    """The name of a file; identifiers are not told."""
    return f" ({table.keys[table.lines == line][0][:60]})" if table.key == "file" else ""


def _check_positives(table: LabelTable) -> None:
    positives = (table.values > 0.5).sum()
    known = table.values.notna().sum()
    if not positives.any():
        fact = f"no row is positive of any class ({', '.join(table.names)})"
        raise WrongTable(f"{table.source}: {fact}, so nothing can be learnt or scored; add rows that are")
    none = [f"{name} ({count_of(int(known[name]), 'rows')} known)" for name in table.names if not positives[name]]
    if none:
        logger.warning("%s: no positive row of %s: whether it is found cannot be learnt, nor tested",
                       table.source, ", ".join(none))  # fmt: skip


def _refuse(source: str, fact: str, places: Sequence[object] | np.ndarray, remedy: str = "Correct the table") -> None:
    if len(places):
        listing = ", ".join(str(place) for place in list(places)[:SHOWN])
        raise WrongTable(f"{source}: {count_of(len(places), fact)}; {in_lines(len(places))} {listing}. {remedy}")


def in_lines(count: int) -> str:
    """What stands before the first lines of a table in which something is wrong."""
    return "it is in line" if count == 1 else "the first are in lines"
