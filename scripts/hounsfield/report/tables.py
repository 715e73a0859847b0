"""The tables of a report as headings with their explanations, and rows of words."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from hounsfield.core.evaluation.scores import BOUNDS

DASH = "–"


class Table(NamedTuple):
    """Headings with one line of explanation each, and rows of cells."""

    columns: list[tuple[str, str]]
    rows: list[list[str]]


def shown(value: Any, digits: int = 4) -> str:
    """A number as the page shows it; a dash where there is none."""
    if value is None or value == "" or (isinstance(value, float) and value != value):
        return DASH
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def with_interval(value: Any, low: Any, high: Any, digits: int = 4) -> str:
    """A number and its 95 % interval."""
    if shown(value) == DASH:
        return DASH
    return shown(value, digits) if shown(low) == DASH else f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def score_rows(scores: pd.DataFrame) -> Table:
    """The table of scores: what the competition averages, gains, the system's own measures, and what a row rests on."""
    names = [str(name) for name in scores.columns]
    metric = names[2]
    measures = [name for name in names if name != "gain" and f"{name}{BOUNDS[0]}" in names]
    rows_column = names[names.index("patients") + 1]
    columns = [
        ("system", "Which stage of the run answers."),
        (
            metric.replace("_", " "),
            "What the competition averages, lower is better, with its 95 % interval over patients.",
        ),
        ("better than", "The row that this one is compared with."),
        ("by", "How much lower the loss is; the interval is that of the paired difference on the same patients."),
        *((name.replace("_", " "), "Mean over the rows that count, with its 95 % interval.") for name in measures),
        ("patients", "Patients that are scored."),
        (rows_column, f"{rows_column.capitalize()} that are scored."),
        ("models", "Which models made the predictions."),
        ("ledger", "Out-of-fold, or how models have seen the patients that they are scored on."),
    ]
    rows = []
    for row in scores.to_dict("records"):
        several = f"{row['system']} ({row['experiment']})" if row["experiment"] else str(row["system"])
        rows.append(
            [
                several,
                with_interval(row[metric], row["low"], row["high"]),
                shown(row["gain_over"]),
                with_interval(row["gain"], row["gain_low"], row["gain_high"]),
                *(
                    with_interval(row[name], row[f"{name}{BOUNDS[0]}"], row[f"{name}{BOUNDS[1]}"], 3)
                    for name in measures
                ),
                str(row["patients"]),
                str(row[rows_column]),
                str(row["models"]),
                str(row["ledger"]),
            ]
        )
    return Table(columns, rows)
