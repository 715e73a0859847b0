"""How a run stands changes of its images and series: its loss and its operating points under each of them.

N rows of the first level, K of them answered under a change, C names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.metrics import interval, mean_of_known, patient_bootstrap
from hounsfield.core.evaluation.run_report import Level, RunReport, ShiftedAnswers
from hounsfield.report.charts import Chart, Line
from hounsfield.report.json_numbers import number
from hounsfield.report.ranking import area_under_roc, counts_by_threshold
from hounsfield.report.tables import Table, shown, with_interval

DRAWS, SEED = 2000, 2019  # bootstrap samples of patients
BESIDE = "under the change; in brackets unchanged, of the same rows."


def shift_numbers(report: RunReport) -> list[dict[str, Any]]:
    """Of each change: loss, and beside it that of the unchanged answers for the same rows; areas; operating points."""
    if not report.shifts:
        return []
    level, unchanged = report.levels[0], report.shifts[0]
    points = report.calibration.points(level.calibration)
    return [_numbers(level, unchanged, one, points) for one in report.shifts]


def shift_values(
    report: RunReport, found: list[dict[str, Any]], draw: Callable[[list[Chart]], Sequence[Any]]
) -> dict[str, Any]:
    """What the page shows of them; without numbers, why there are none."""
    level = report.levels[0]
    known = (level.labels > 0.5).sum(axis=0)
    name = level.names[int(np.argmax(known))] if level.names else ""
    points = found and name and found[0]["by_name"][name]["operating_points"]
    return {
        "reason": report.without_shifts,
        "table": shift_rows(found, level.rows) if found else None,
        "points": shifted_point_rows(found, name) if points else None,
        "name": name,
        "charts": draw([shift_chart(found)]) if found else [],
        "from_run": found[0]["from_run"] if found else None,
    }


def _numbers(level: Level, unchanged: ShiftedAnswers, one: ShiftedAnswers, points: dict[str, Any]) -> dict[str, Any]:
    same = pd.Series(np.arange(len(unchanged.rows)), unchanged.rows).loc[one.rows].to_numpy()
    before = ShiftedAnswers("", "", one.rows, unchanged.probabilities[same], unchanged.losses[same])
    patients, _ = pd.factorize(level.patients[one.rows])
    draws = patient_bootstrap(np.stack([one.losses, before.losses], axis=1), patients, draws=DRAWS, seed=SEED)
    low, high = interval(draws[:, 0])
    change_low, change_high = interval(draws[:, 0] - draws[:, 1])
    labels = level.labels[one.rows]
    return {
        "name": one.name,
        "words": one.words,
        "rows": len(one.rows),
        "loss": number(mean_of_known(one.losses)),
        "low": number(low),
        "high": number(high),
        "loss_unchanged": number(mean_of_known(before.losses)),
        "change_low": number(change_low),
        "change_high": number(change_high),
        "moved": number(float(np.abs(one.probabilities - before.probabilities).mean())),
        "from_run": number(float(np.abs(one.probabilities - level.answer.probabilities[one.rows]).max())),
        "by_name": {
            name: {
                "auc": _area(one.probabilities[:, column], labels[:, column]),
                "auc_unchanged": _area(before.probabilities[:, column], labels[:, column]),
                "operating_points": [
                    {
                        "name": point.name,
                        "threshold": point.threshold,
                        **_worth(one.probabilities[:, column], labels[:, column], point.threshold),
                        "unchanged": _worth(before.probabilities[:, column], labels[:, column], point.threshold),
                    }
                    for point in points.get(name, ())
                ],
            }
            for column, name in enumerate(level.names)
        },
    }


def _area(values: np.ndarray, labels: np.ndarray) -> float | None:
    known = ~np.isnan(labels)
    counts = counts_by_threshold(values[known], labels[known] > 0.5)
    return number(area_under_roc(counts)) if counts.positives and counts.negatives else None


def _worth(values: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, float | None]:
    """Sensitivity and specificity of calling positive what reaches a threshold; None without such rows."""
    called, found = values >= threshold, {}
    for kind, own in (("sensitivity", labels > 0.5), ("specificity", labels <= 0.5)):
        right = called[own] if kind == "sensitivity" else ~called[own]
        found[kind] = number(float(right.mean())) if len(right) else None
    return found


def shift_rows(found: list[dict[str, Any]], rows_are: str) -> Table:
    """A row per change: what it does to the loss."""
    columns = [
        ("change", "What was done to every series before it was answered, as listed above."),
        (rows_are, "How many are answered and scored."),
        ("loss", "Mean loss, lower is better, with its 95 % interval over patients."),
        ("unchanged", "Of the same rows, computed in the same way from the unchanged files."),
        ("rise", "Of the loss; paired, with its 95 % interval over patients: above 0 the change does harm."),
        ("probabilities move by", "Mean size of the move, over all rows and classes."),
    ]
    rows = []
    for one in found:
        rise = one["loss"] - one["loss_unchanged"]
        first = one is found[0]
        rows.append(
            [
                one["name"],
                str(one["rows"]),
                with_interval(one["loss"], one["low"], one["high"]),
                shown(None if first else one["loss_unchanged"]),
                shown(None) if first else with_interval(rise, one["change_low"], one["change_high"]),
                shown(None if first else one["moved"]),
            ]
        )
    return Table(columns, rows)


def shifted_point_rows(found: list[dict[str, Any]], name: str) -> Table:
    """A row per change: what the run's operating points of one class are worth under it."""
    points = found[0]["by_name"][name]["operating_points"]
    columns = [("change", "As above."), (f"AUC, {name}", f"Area under the ROC curve {BESIDE}")]
    columns += [
        (f"{point['name'].replace('_', ' ')}, from {point['threshold']:.3f} on", f"Sensitivity / specificity {BESIDE}")
        for point in points
    ]
    rows = []
    for one in found:
        own = one["by_name"][name]
        cells = [f"{shown(own['auc'], 3)} ({shown(own['auc_unchanged'], 3)})"]
        for point in own["operating_points"]:
            now, before = (
                f"{shown(worth['sensitivity'], 2)} / {shown(worth['specificity'], 2)}"
                for worth in (point, point["unchanged"])
            )
            cells.append(f"{now} ({before})")
        rows.append([one["name"], *cells])
    return Table(columns, rows)


def shift_chart(found: list[dict[str, Any]]) -> Chart:
    """The loss under each change beside that of the unchanged answers for the same rows."""
    places = np.arange(len(found), dtype=float)
    bars = [np.array([one[bound] for one in found], float) for bound in ("low", "high")]
    return Chart(
        name="shifts",
        title="Loss under each change",
        across="change",
        up="loss, logarithmic scale",
        meaning="Points: the loss under each change, lines: its 95 % interval; crosses: unchanged, on the same rows.",
        lines=[
            *(
                Line("", np.array([place, place]), np.array([low, high]), colour=0)
                for place, low, high in zip(places, *bars, strict=True)
            ),
            Line("changed", places, np.array([one["loss"] for one in found]), style="", marker="o"),
            Line("unchanged", places, np.array([one["loss_unchanged"] for one in found]), 1, style="", marker="x"),
        ],
        logarithmic=True,
        ticks=[one["name"] for one in found],
    )
