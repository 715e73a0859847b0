"""The charts of a data set: spreads, how often each name is positive in each fold, what the later stage changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hounsfield.core.evaluation.run_report import Level, Spread
from hounsfield.report.charts import Chart, Line
from hounsfield.report.examples import gains
from hounsfield.report.json_numbers import number, numbers

BINS = 30
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def spread_numbers(spread: Spread) -> dict[str, Any]:
    """What is said of one quantity: how many values, quartiles, histogram."""
    known = spread.values[~np.isnan(spread.values)]
    if not len(known):
        return {"name": spread.name, "unit": spread.unit, "known": 0, "unknown": len(spread.values)}
    heights, edges = np.histogram(known, bins=_edges(known))
    return {
        "name": spread.name,
        "unit": spread.unit,
        "meaning": spread.meaning,
        "known": len(known),
        "unknown": len(spread.values) - len(known),
        "quartiles": numbers(np.quantile(known, QUANTILES)),
        "edges": numbers(edges),
        "heights": heights.tolist(),
    }


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of bins; of whole numbers each bin holds as many of them."""
    low, high = float(values.min()), float(values.max())
    if (values == values.round()).all():
        step = max(1.0, np.ceil((high - low + 1) / BINS))
        return np.asarray(np.arange(low - 0.5, high + step, step))
    return np.linspace(low, high, BINS + 1) if high > low else np.array([low - 0.5, low + 0.5])


def spread_charts(found: Sequence[dict[str, Any]], rows: str) -> list[Chart]:
    """A histogram of each quantity that is known. found: as `spread_numbers` gives them."""
    return [
        Chart(
            f"data_{place}", one["name"], f"{one['name']} ({one['unit']})", f"number of {rows}", one["meaning"],
            bars=(np.array(one["edges"]), np.array(one["heights"])),
        )
        for place, one in enumerate(found)
        if one["known"]
    ]  # fmt: skip


def prevalence_chart(level: Level, prevalence: Sequence[dict[str, Any]]) -> Chart:
    """The share of positive rows of each name, fold by fold."""
    folds = [one for one in prevalence if one["fold"] != "all"]
    across = np.arange(len(level.names), dtype=np.float64)
    lines = [
        Line(
            f"fold {one['fold']}",
            across,
            np.array([one["positive"][name] / max(1, one["known"][name]) for name in level.names]),
            colour=place,
            style="",
            marker="o",
        )
        for place, one in enumerate(folds)
    ]
    meaning = "A point per fold: points of one name far apart are folds that differ in how often it is positive."
    title, ticks = f"positive {level.rows} by fold", [name[:20] for name in level.names]
    return Chart(f"{level.row}_prevalence", title, "", "share", meaning, lines, ticks=ticks)


def gain_numbers(level: Level) -> dict[str, Any] | None:
    """How many rows the later stage helped and hurt, and by how much; None where no two stages are compared."""
    if level.compared is None:
        return None
    gain = gains(level)
    known = gain[~np.isnan(gain)]
    return {
        "earlier": level.compared[0],
        "later": level.compared[1],
        "rows": len(known),
        "helped": int((known > 0).sum()),
        "hurt": int((known < 0).sum()),
        "mean_gain": number(float(known.mean())) if len(known) else None,
        "quartiles": numbers(np.quantile(known, QUANTILES)) if len(known) else [],
    }


def gain_chart(level: Level) -> Chart | None:
    """The gains of all rows, from the greatest to the least."""
    if level.compared is None:
        return None
    gain = gains(level)
    known = -np.sort(-gain[~np.isnan(gain)])
    places = np.unique(np.linspace(0, max(0, len(known) - 1), min(len(known), 400)).round().astype(int))
    across = places / max(1, len(known) - 1)
    lines = [
        Line("", np.array([0, 1]), np.array([0, 0]), None, ":"),
        Line("", across, known[places], 0),
    ]
    meaning = f"Above the line {level.compared[1]} is better than {level.compared[0]}, below it is worse."
    title = f"gain of {level.compared[1]} over {level.compared[0]}"
    return Chart(
        f"{level.row}_gain", title, f"share of {level.rows}, best first", f"lower {level.loss}", meaning, lines
    )
