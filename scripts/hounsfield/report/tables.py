"""The tables of a report as headings with their explanations, and rows of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from hounsfield.core.evaluation.score_table import BOUNDS, counted_column, loss_column
from hounsfield.core.stages.ledger import ROLES

DASH = "–"
NOT_RECORDED = "not recorded"


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
    if shown(low) == DASH:
        return shown(value, digits)
    bounds = f"({low:.{digits}f} to {high:.{digits}f})".replace(" ", "\u00a0")  # stays in one line
    return f"{value:.{digits}f} {bounds}"


def score_rows(scores: pd.DataFrame) -> Table:
    """The table of scores: what the competition averages, gains, the system's own measures, and what a row rests on."""
    names = [str(name) for name in scores.columns]
    metric, rows_column = loss_column(scores), counted_column(scores)
    measures = [name for name in names if name != "gain" and f"{name}{BOUNDS[0]}" in names]
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


RELIABILITY_COLUMNS = [
    ("name", "The class."),
    ("probabilities", "Raw as the models give them; calibrated by a calibrator that was fitted on other patients."),
    ("rows", "How many have a known label and, where the class is calibrated, a calibrated probability."),
    (
        "calibration error",
        "How far the share of positives is from the mean probability, in tenths of the rows: 0 is best.",
    ),
    (
        "slope",
        "Of the logistic regression of the label on the logit: 1 is best, below 1 the probabilities are too extreme.",
    ),
    ("intercept", "Of the same regression: 0 is best, below 0 the probabilities are too high."),
    ("Brier score", "The mean squared difference between probability and label: lower is better."),
    ("log loss", "Of this class alone: lower is better."),
    ("how", "How the class is calibrated, or why it is not."),
]


def reliability_rows(by_name: dict[str, Any]) -> Table:
    """A row per class for its raw and one for its calibrated probabilities. by_name: of a level's numbers."""
    rows = []
    for name, own in by_name.items():
        for kind, one in own["reliability"].items():
            keys = ("rows", "ece", "slope", "intercept", "brier", "log_loss")
            values = [shown(one[key]) if one else DASH for key in keys]
            rows.append([name, kind, *values, own["calibrator"]])
    return Table(RELIABILITY_COLUMNS, rows)


POINT_COLUMNS = [
    ("name", "The class."),
    ("point", "Chosen for 95 % sensitivity, for 95 % specificity, or for the highest sum of both (Youden's index)."),
    ("threshold", "A row is called positive from this raw probability on; with its 95 % interval over patients."),
    ("sensitivity", "Share of the positives that are called, by thresholds chosen on other patients; 95 % interval."),
    (
        "specificity",
        "Share of the negatives that are not called, by thresholds chosen on other patients; 95 % interval.",
    ),
    ("TP", "Positives that are called."),
    ("FN", "Positives that are missed."),
    ("FP", "Negatives that are called."),
    ("TN", "Negatives that are not called."),
    ("PPV", "Share of the called that are positive: it holds for this data set's prevalence alone."),
    ("NPV", "Share of the others that are negative: it holds for this data set's prevalence alone."),
]
COUNTS = ("true_positive", "false_negative", "false_positive", "true_negative")


def point_rows(by_name: dict[str, Any]) -> Table:
    """A row per class and operating point. by_name: of a level's numbers."""
    rows = []
    for name, own in by_name.items():
        for point in own["operating_points"]:
            worth = [point[kind] for kind in ("sensitivity", "specificity")]
            threshold = with_interval(point["threshold"], point["threshold_low"], point["threshold_high"])
            shares = [with_interval(one["value"], one["low"], one["high"], 3) for one in worth]
            predictive = [shown(point[f"{kind}_predictive_value"], 3) for kind in ("positive", "negative")]
            counts = [str(point[kind]) for kind in COUNTS]
            rows.append([name, point["name"].replace("_", " "), threshold, *shares, *counts, *predictive])
    return Table(POINT_COLUMNS, rows)


SEEN_COLUMNS = [
    ("output", "Its folder below the work folder."),
    ("part", "Of an output that holds several models."),
    ("train", "Patients that it has learnt from."),
    ("early stop", "Patients by whom its training was stopped."),
    ("upstream", "Patients that something it was made from has learnt from."),
    ("digest", "Of the list of patients: equal digests are equal lists."),
]


def seen_rows(found: list[dict[str, Any]]) -> Table:
    """A row per output and part of it: how many patients it has seen, and how."""
    rows = []
    for one in found:
        counts = [str(one[role]["patients"]) for role in ROLES]
        digests = [one[role]["digest"] for role in ROLES if one[role]["digest"]]
        rows.append([one["output"], one["part"] or DASH, *counts, digests[0] if digests else DASH])
    return Table(SEEN_COLUMNS, rows)


def proof_rows(found: list[dict[str, Any]], rows_are: str) -> Table:
    """A row per fold: how many are scored, how many of their patients were seen, and what follows."""
    columns = [
        ("fold", "Validation fold."),
        (rows_are, "How many are scored."),
        ("patients", "How many patients they are of."),
        ("train", "Of these, patients that what predicts them was trained on."),
        ("early stop", "Of these, patients by whom its training was stopped."),
        ("upstream", "Of these, patients that something it was made from was trained on."),
        ("verdict", "Out of fold where nobody was seen; else how the published recipe has it so. All else is refused."),
    ]
    rows = [
        [
            str(one["fold"]),
            str(one["rows"]),
            str(one["patients"]),
            *(str(one["seen"][role]) for role in ROLES),
            one["verdict"],
        ]
        for one in found
    ]
    return Table(columns, rows)


def chain_rows(found: list[dict[str, Any]]) -> Table:
    """A row per output that the run rests on."""
    columns = [
        ("output", "Its folder below the work folder."),
        ("stage", "What made it."),
        ("digest", "Of its stage, settings and files."),
        ("depth", "How many steps it is above the run."),
    ]
    rows = [
        [one["place"], one["stage"] or DASH, (one["digest"] or "no longer there")[:16], str(one["depth"])]
        for one in found
    ]
    return Table(columns, rows)


def prevalence_rows(found: list[dict[str, Any]], names: tuple[str, ...], rows_are: str) -> Table:
    """A row per fold, and one of all: how many are positive of those that are known."""
    columns = [
        ("fold", "Validation fold; its rows are predicted by models of the other folds."),
        (rows_are, "How many there are."),
        ("patients", "How many patients they are of."),
        *((name, "Positive, of those with a known label.") for name in names),
    ]
    rows = [
        [
            *(str(one[key]) for key in ("fold", "rows", "patients")),
            *(f"{one['positive'][name]} / {one['known'][name]}" for name in names),
        ]
        for one in found
    ]
    return Table(columns, rows)


def pairs(columns: list[tuple[str, str]], found: Mapping[str, Any]) -> Table:
    """A row per name and what belongs to it."""
    return Table(columns, [[str(name), str(value)] for name, value in found.items()])


def ranking_rows(by_name: dict[str, Any], answer: str) -> Table:
    """A row per class: how many are positive, how well each stage ranks. answer: the stage that the run answers by."""
    stages = list(next(iter(by_name.values()))["stages"])
    others = [stage for stage in stages if stage != answer]
    columns = [
        ("name", "The class."),
        ("positive", "How many are positive, of those with a known label."),
        (f"AUC, {answer}", "Area under the ROC curve of what the run answers: 1 is best; 95 % interval over patients."),
        (
            f"average precision, {answer}",
            "Mean precision over the ranks of the positives: 1 is best, prevalence is a coin.",
        ),
        *((f"AUC, {stage}", "The same area of another stage, on the same rows.") for stage in others),
    ]
    rows = []
    for name, own in by_name.items():
        of_answer = own["stages"][answer]
        rows.append(
            [
                name,
                f"{own['positive']} / {own['known']}",
                with_interval(of_answer["auc"], own["auc_low"], own["auc_high"], 3),
                shown(of_answer["average_precision"], 3),
                *(shown(own["stages"][stage]["auc"], 3) for stage in others),
            ]
        )
    return Table(columns, rows)


LIBRARY_COLUMNS = [("library", "Its name in the package index."), ("version", "As recorded when the output was made.")]
COUNT_COLUMNS = [("value", "What was found."), ("count", "How often.")]


def setting_rows(found: list[dict[str, str]]) -> Table:
    """A row per setting."""
    columns = [
        ("setting", "Its name in the part of the configuration."),
        ("value", "As recorded; where folds or members differ, all of its values."),
        ("stage", "Which stage it belongs to."),
    ]
    return Table(columns, [[one["setting"], one["value"], one["stage"]] for one in found])


def time_rows(found: list[dict[str, Any]]) -> Table:
    """A row per stage: how long its outputs took, and on what."""
    columns = [
        ("stage", "Which stage it is."),
        ("outputs", "How many of its outputs the run rests on."),
        ("seconds", "Of all of these together, each since its stage was last started."),
        ("samples per second", "Median over the epochs of its trainings; other stages leave no rate."),
        ("finished", "When the last of them was done, in universal time."),
        ("on", "Processor, cores, GPUs that were used, and Python."),
    ]
    rows = [
        [
            one["stage"],
            str(one["outputs"]),
            NOT_RECORDED
            if one["seconds"] is None
            else f"{one['seconds']:.1f}" + (f" (of {one['timed']})" if one["timed"] < one["outputs"] else ""),
            shown(one["samples_per_second"], 1),
            one["finished"].replace("T", " ").removesuffix("Z") if one["finished"] else NOT_RECORDED,
            "; ".join(one["machines"]) or NOT_RECORDED,
        ]
        for one in found
    ]
    return Table(columns, rows)
