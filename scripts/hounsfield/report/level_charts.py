"""The charts of a level: of each of its names ROC, precision and recall, and net benefit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.run_report import Level
from hounsfield.report.charts import Chart, Line

WHOLE = (-0.02, 1.02)
ROC = "Positives found over negatives called, as the threshold falls: further up and left is better."
RECALL = "Share of the called that are positive, over the share of positives found; dotted: of all."
RELIABILITY = "Share of positives over the mean probability, in tenths of the rows; on the diagonal it keeps its word."
DECISION = "True positives per row, less false ones at the threshold's odds; above both other lines it is worth using."


def level_charts(level: Level, numbers: dict[str, Any]) -> Iterator[tuple[str, list[Chart]]]:
    """By name of a level, its charts. numbers: as `level_numbers` gives them."""
    for place, name in enumerate(level.names):
        own = numbers["by_name"][name]
        stem = f"{level.row}_{place}"
        reliable = max((one["rows"] for one in own["reliability"].values() if one is not None), default=0)
        drawn = [
            (_roc(stem, name, own), own["known"]),
            (_precision_recall(stem, name, own), own["known"]),
            (_reliability(stem, name, own), reliable),
            (_decision(stem, name, own), own["known"]),
        ]
        yield name, [_counting(chart, count_of(rows, level.rows)) for chart, rows in drawn if chart is not None]


def _counting(chart: Chart, rows: str) -> Chart:
    return replace(chart, meaning=f"{chart.meaning} Of {rows}.")


def _stages(own: dict[str, Any], curve: str) -> Iterator[tuple[str, dict[str, Any], int | None, str]]:
    """The stages that have a curve: name, it, and how it is drawn; the answer last and in colour."""
    stages = [(name, one) for name, one in own["stages"].items() if one[curve] is not None]
    for place, (name, one) in enumerate(stages):
        last = place == len(stages) - 1
        yield name, one, 0 if last else 1 + place, "-" if last else "--"


def _roc(stem: str, name: str, own: dict[str, Any]) -> Chart | None:
    lines = [Line("", np.array([0, 1]), np.array([0, 1]), None, ":")]
    for stage, one, colour, style in _stages(own, "roc"):
        curve = one["roc"]
        label = f"{stage}: {one['auc']:.3f}"
        lines.append(
            Line(label, _array(curve["false_positive_rate"]), _array(curve["true_positive_rate"]), colour, style)
        )
    if len(lines) == 1:
        return None
    title = f"ROC, {name}"
    return Chart(f"{stem}_roc", title, "false positive rate", "true positive rate", ROC, lines, None, WHOLE, WHOLE)


def _precision_recall(stem: str, name: str, own: dict[str, Any]) -> Chart | None:
    share = own["positive"] / max(1, own["known"])
    lines = [Line("", np.array([0, 1]), np.array([share, share]), None, ":")]
    for stage, one, colour, style in _stages(own, "precision_recall"):
        curve = one["precision_recall"]
        label = f"{stage}: {one['average_precision']:.3f}"
        lines.append(Line(label, _array(curve["recall"]), _array(curve["precision"]), colour, style))
    if len(lines) == 1:
        return None
    title = f"precision and recall, {name}"
    return Chart(f"{stem}_precision_recall", title, "recall", "precision", RECALL, lines, None, WHOLE, WHOLE)


def _reliability(stem: str, name: str, own: dict[str, Any]) -> Chart | None:
    found = {kind: one for kind, one in own["reliability"].items() if one is not None}
    if not found:
        return None
    lines = [Line("", np.array([0, 1]), np.array([0, 1]), None, ":")]
    for place, (kind, one) in enumerate(found.items()):
        bins = one["bins"]
        label = f"{kind}: error {one['ece']:.3f}"
        lines.append(Line(label, _array(bins["predicted"]), _array(bins["observed"]), place, "-", "o"))
    title = f"reliability, {name}"
    words = "mean probability", "share of positives"
    return Chart(f"{stem}_reliability", title, *words, RELIABILITY, lines, None, WHOLE, WHOLE)


def _decision(stem: str, name: str, own: dict[str, Any]) -> Chart | None:
    curve = own["decision_curve"]
    if curve is None or not own["positive"]:
        return None
    across = _array(curve["threshold"])
    model, everyone = _array(curve["model"]), _array(curve["all"])
    lines = [
        Line("nobody", np.array([0, 1]), np.array([0, 0]), None, ":"),
        Line("everybody", across, everyone, 1, "--"),
        Line("model", across, model, 0),
    ]
    top = max(float(model.max()), own["positive"] / own["known"], 1e-3)
    limits = (-0.25 * top, 1.08 * top)
    return Chart(
        f"{stem}_decision", f"net benefit, {name}", "threshold probability", "net benefit per row", DECISION, lines,
        None, (0, 1), limits,
    )  # fmt: skip


def _array(values: list[float | None]) -> np.ndarray:
    return np.array(values, np.float64)
