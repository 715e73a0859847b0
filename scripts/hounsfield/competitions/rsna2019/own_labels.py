"""Labels of one's own images: the label set that they are, and which slices are trained on, tested on or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.rsna2019.folds import folds_of_own_labels
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS, PROBABILITY_CLIP, read_labels
from hounsfield.competitions.rsna2019.tables import FILE_SCHEMA, POSITION
from hounsfield.core.errors import WrongTable, WrongUse
from hounsfield.core.evaluation.labels import LabelSet, weighted_labels
from hounsfield.core.intake.label_cells import read_cells
from hounsfield.core.intake.label_matching import match_labels, places
from hounsfield.core.intake.label_tables import LabelTable, label_table, read_keys
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.logs import logger
from hounsfield.core.stages.ledger import STUDY_LABELS_ON_SLICES
from hounsfield.core.storage.files import file_digest, value_digest, write_bytes
from hounsfield.core.storage.tables import escape_cell

RESERVED = frozenset({*FILE_SCHEMA.names, "split", "series", "order", "normal_mm", "fold", "row", "file", "study"})
ANY_WEIGHT = 2.0  # as the competition counts it
UNMATCHED, UNLABELLED = "labels_unmatched.csv", "unlabelled.csv"


@dataclass(frozen=True)
class OwnLabels:
    """A label table, what it is a label set of, and what else the command line says of labels."""

    table: LabelTable
    label_set: LabelSet
    test: Path | None  # a table or a folder that names the test set
    trains: bool  # False: they are scored against, and no folds are needed

    def digest(self) -> str:
        """Changes with any label, and with what the test set is."""
        test = "" if self.test is None else str(self.test) if self.test.is_dir() else file_digest(self.test)
        return value_digest([self.table.digest(), test, self.trains])


def read_own_labels(
    path: Path,
    *,
    classes: Sequence[str] = (),
    class_weights: Sequence[str] = (),
    any_of: str | None = None,
    soft_labels: bool | str = False,
    labels_apply_to_slices: bool | str = False,
    test: str | None = None,
    score_only: bool | str = False,
) -> OwnLabels:
    """Read the table that --labels names, as the other options want it; a flag may be "", as a record has it.

    Raises WrongTable and WrongUse.
    """
    table = _read_table(path, classes, any_of, soft=soft_labels is not False)
    if table.key in ("series", "study") and labels_apply_to_slices is False:
        raise WrongTable(
            f"{path} labels whole {'studies' if table.key == 'study' else 'series'}, and the classifier learns from "
            "slices: most slices of a positive study show nothing, and would be taught as positive. What is needed are "
            "labels by slice (a column SOPInstanceUID, path or file name). To have every slice bear its label all the "
            "same: --labels-apply-to-slices"
        )
    if test is not None and not Path(test).exists():
        raise WrongUse(f"--test {test} does not exist; name a table of files, series or studies, or a folder")
    chosen = Path(test).resolve() if test else None
    return OwnLabels(table, _label_set(table, class_weights), chosen, score_only is False)


def _read_table(path: Path, classes: Sequence[str], any_of: str | None, *, soft: bool) -> LabelTable:
    """A table of any usual kind; in the competition's form, six rows per slice, it is read as the competition's is."""
    cells = read_cells(path)
    if not {"ID", "Label"} <= set(cells.table.columns):
        return label_table(cells, str(path), classes=classes, any_of=any_of, soft=soft, reserved=RESERVED)
    wide = read_labels(path.read_bytes(), str(path)).astype(np.float64)
    keys, lines = wide.index.to_numpy(str), np.arange(2, len(wide) + 2)
    return LabelTable(str(path), "file", keys, lines, wide.reset_index(drop=True), LABELS.any_of, soft=False)


def _label_set(table: LabelTable, class_weights: Sequence[str]) -> LabelSet:
    """The competition's where it is that one, in its order; else the table's own."""
    given = dict(word.partition("=")[::2] for word in class_weights)
    names = CLASSES if set(table.names) == set(CLASSES) else table.names
    try:
        weights = {name: float(value) for name, value in given.items()}
    except ValueError as error:
        raise WrongUse(f"--class-weights {' '.join(class_weights)}: give NAME=NUMBER for some classes") from error
    if not weights.keys() <= set(names) or not all(0 < weight < np.inf for weight in weights.values()):
        raise WrongUse(
            f"--class-weights {' '.join(class_weights)}: the classes are {', '.join(names)}, weights above 0"
        )
    usual = {name: ANY_WEIGHT if name == table.any_of else 1.0 for name in names}
    given_for = table.key if table.key in ("series", "study") else "row"
    found = weighted_labels(
        names,
        LABELS.row,
        tuple({**usual, **weights}[name] for name in names),
        PROBABILITY_CLIP,
        any_of=table.any_of,
        given_for=given_for,
        soft=table.soft,
    )
    return LABELS if found == LABELS else found


def label_slices(
    slices: pd.DataFrame, rows: pa.Table, own: OwnLabels, naming: Naming, folder: Path, fold_count: int
) -> pd.DataFrame:
    """Add split, labels and fold; sorted by what a series is for, then series and order.

    slices: with `row`, the place of each in `rows` (FILE_SCHEMA), of a data set in `folder`, where what fits nothing is
    listed. split: test, where a test set names the slice; train, where any label is known; else unlabelled. An
    unlabelled slice has the fold of its patient, if that has one. Raises WrongTable where the folds cannot work.
    """
    matched = match_labels(own.table, rows, naming)
    names, row = list(own.label_set.names), slices["row"].to_numpy()
    labels = _with_copies(matched.labels[names], rows).iloc[row].set_axis(slices.index)
    is_test = _named_as_test(rows, own, naming)[row]
    split = np.where(is_test, "test", np.where(labels.notna().any(axis=1), "train", "unlabelled"))
    found = slices.drop(columns=["split", *names, "fold"], errors="ignore").assign(split=split, fold=np.nan)
    labels.loc[is_test] = np.nan
    found = pd.concat([found, labels], axis=1)
    _write_lists(folder, found, matched.has_row[row], matched.unmatched, rows)
    known_by = _known_by(found, rows, naming)
    if own.trains:
        found["fold"] = folds_of_own_labels(found, known_by, own.label_set, fold_count, own.table.source)
    paths = pd.Series(rows["path"].take(pa.array(row)).to_pylist(), found.index)
    first = pd.DataFrame({"patient": known_by, "path": paths}).groupby(found["series"]).min()
    number = pd.Series(np.arange(len(first)), first.sort_values(["patient", "path"]).index)
    found["series"] = found["series"].map(number).astype(np.int32)  # the same under any pseudonyms
    trained = found["series"].isin(found.loc[split == "train", "series"])
    found = found.assign(part=np.where(is_test, 2, np.where(trained, 0, 1)))
    if own.label_set.given_for != "row":
        logger.warning("%s: %s; scores are by %s", own.table.source, STUDY_LABELS_ON_SLICES, own.label_set.given_for)
    return found.sort_values(["part", "series", "order"], ignore_index=True).drop(columns="part")


def _with_copies(labels: pd.DataFrame, rows: pa.Table) -> pd.DataFrame:
    """Labels (N, C), those of a copy for the file that is used where only the copy has them."""
    copied = rows.select(["sop_number", "pixel_number", *POSITION]).to_pandas()
    known = labels.groupby([copied[name] for name in copied], dropna=False).transform("first")
    return labels.fillna(known.where(copied["sop_number"] != 0))


def _named_as_test(rows: pa.Table, own: OwnLabels, naming: Naming) -> np.ndarray:
    """Which files the test set names, (N,) bool."""
    named = np.zeros(len(rows), bool)
    if own.test is None:
        logger.info("no test set is named (--test TABLE_OR_FOLDER): all that is labelled is cross-validated")
        return named
    if own.test.is_dir():
        parts = own.test.parts
        below = [f"{'/'.join(parts[n:])}/" for n in range(1, len(parts))]
        named[:] = [any(path.startswith(one) for one in below) for path in rows["path"].to_pylist()]
    else:
        key, keys = read_keys(own.test)
        named[np.concatenate(places(key, keys, rows, naming, str(own.test))[1])] = True
    if not named.any():
        raise WrongTable(f"--test {own.test} names none of the {len(rows)} usable files")
    return named


def _known_by(found: pd.DataFrame, rows: pa.Table, naming: Naming) -> pd.Series:
    """Of each slice what its patient is known by under any pseudonyms, (N,) of str; it is kept nowhere."""
    files = rows.select(["patient_id", "patient_order"]).take(pa.array(found["row"])).to_pydict()
    order = [naming.order(*one) for one in zip(files["patient_order"], files["patient_id"], strict=True)]
    return pd.Series(order, found.index).groupby(found["patient_id"]).transform("min").map("{:012x}".format)


def _write_lists(
    folder: Path, found: pd.DataFrame, has_row: np.ndarray, unmatched: pd.DataFrame, rows: pa.Table
) -> None:
    """List rows without a file, and files without a known label."""
    write_bytes(folder / UNMATCHED, unmatched.to_csv(index=False, lineterminator="\n").encode())
    if len(unmatched):
        logger.warning("rows of the labels that fit no usable file: %d (see %s)", len(unmatched), folder / UNMATCHED)
    lacking = (found["split"] == "unlabelled").to_numpy()
    paths = rows["path"].take(pa.array(found["row"][lacking])).to_pylist()
    reasons = np.where(has_row[lacking], "blank", "no row")
    listed = pd.DataFrame({"path": list(map(escape_cell, paths)), "reason": reasons}).sort_values("path")
    write_bytes(folder / UNLABELLED, listed.to_csv(index=False, lineterminator="\n").encode())
    if len(listed):
        logger.warning(
            "slices without a label, not learnt from and not scored: %d (see %s)", len(listed), folder / UNLABELLED
        )


def label_words(labels: Path, about: Mapping[str, Any]) -> tuple[str, ...]:
    """The options of a command line that name these labels. about: as `read_own_labels` takes them."""
    words = ["--labels", str(labels.absolute())]
    for name, value in about.items():
        values = [str(Path(value).absolute())] if name == "test" else value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *(one for one in values if isinstance(one, str) and one)]
    return tuple(words)
