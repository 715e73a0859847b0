"""The table of fractures: StudyInstanceUID, patient_overall and C1 to C7, the competition's or one's own."""

from __future__ import annotations

import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES, OVERALL, VERTEBRAE
from hounsfield.core.counts import count_of
from hounsfield.core.errors import WrongTable
from hounsfield.core.intake.label_cells import cells_of
from hounsfield.core.intake.label_tables import LabelTable, in_lines, label_table
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.logs import logger

SHOWN = 10
COLUMNS = ", ".join(("StudyInstanceUID", *NAMES))


def read_study_labels(content: bytes, source: str, naming: Naming, *, any_overall: bool) -> pd.DataFrame:
    """The labels of each study of a table, as `labels_by_study` gives them. Raises WrongTable."""
    return labels_by_study(study_label_table(content, source, any_overall=any_overall), naming)


def labels_by_study(table: LabelTable, naming: Naming) -> pd.DataFrame:
    """The labels of each study, indexed by study_uid, NAMES of float64: 0, 1, or NaN where unknown; and the `line`.

    naming: makes the table's StudyInstanceUIDs what studies are called here.
    """
    studies = pd.Index([naming.pseudonym(key) for key in table.keys], name="study_uid")
    return table.values.set_axis(studies).assign(line=table.lines)


def study_label_table(content: bytes, source: str, *, any_overall: bool) -> LabelTable:
    """The table of labels, a row per study. What is odd about it is told in the log.

    source: for messages. any_overall: accept a patient_overall that is not the maximum of C1 to C7. Raises WrongTable.
    """
    cells = cells_of(content, source)
    lacking = [name for name in NAMES if name not in cells.table.columns]
    if lacking:
        known = ", ".join(map(str, cells.table.columns))
        raise WrongTable(f"{source}: no column {', '.join(lacking)}; it has {known}. The columns are {COLUMNS}")
    table = label_table(cells, source, classes=NAMES, options=False)
    if table.key != "study":
        raise WrongTable(
            f"{source} labels by {table.key}; a fracture is of a study: give StudyInstanceUID as the "
            "only column that says what a row is of"
        )
    _check_overall(table, any_overall=any_overall)
    unknown = int(table.values.isna().sum().sum())
    if unknown:
        logger.warning("%s: blank labels: %d, unknown, neither learnt nor scored", source, unknown)
    return table


def _check_overall(table: LabelTable, *, any_overall: bool) -> None:
    """Raise WrongTable where patient_overall is not the maximum of C1 to C7, as far as these are known."""
    overall, vertebrae = table.values[OVERALL], table.values[list(VERTEBRAE)]
    above = (overall == 0) & (vertebrae == 1).any(axis=1)
    below = (overall == 1) & (vertebrae == 0).all(axis=1)
    wrong = (above | below).to_numpy()
    if not wrong.any():
        return
    count = int(wrong.sum())
    lines = ", ".join(map(str, table.lines[wrong][:SHOWN]))
    fact = f"{table.source}: {count_of(count, 'rows have a patient_overall that is not the maximum of C1 to C7')}"
    if not any_overall:
        raise WrongTable(f"{fact}; {in_lines(count)} {lines}. Correct them, or accept them as they are: "
                       "--prepare.any_overall true")  # fmt: skip
    logger.warning("%s; %s %s; taken as they are", fact, in_lines(count), lines)
