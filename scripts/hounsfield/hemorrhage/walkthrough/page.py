"""The walk-through's page: its values as rows of tables and words, and its template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hounsfield.core.pages.page import page
from hounsfield.hemorrhage.walkthrough.ablations import AS_IT_IS, CLASSIFIER
from hounsfield.hemorrhage.walkthrough.batch_facts import Line
from hounsfield.hemorrhage.walkthrough.series_facts import Pairs

HERE = Path(__file__).parent
Rows = list[tuple[str, ...]]


def walkthrough_page(values: dict[str, Any], remedy: str) -> str:
    """The whole page. values: as `facts.gather` gives them. remedy: the command that measures the ablations."""
    scores, pairs = values["scores"] or [], values["pairs"]
    return page(
        f"Sequence network of {values['experiment']}",
        HERE / "walkthrough.html",
        styles=[HERE / "walkthrough.css"],
        **values,
        median=float(np.median(values["order"].lengths)),
        series_table=[_series_row(row) for row in values["series"]],
        guess=max(pairs.area(name) for name in pairs.sizes),
        pair_columns=_pair_columns(pairs, values["any_of"]),
        pair_table=_pair_rows(pairs),
        batch_table=[tuple(map(str, _batch_row(row))) for row in values["batch"]],
        line_table=[_line_row(line) for line in values["lines"]],
        score_rows=[_score_row(row, values["any_of"]) for row in scores],
        ablations=_ablations(scores),
        verdict=verdict(_ablations(scores)),
        remedy=remedy,
    )


def _series_row(row: dict[Any, Any]) -> tuple[str, ...]:
    places = (f"{row[name]:.2f}" for name in ("x_mm", "y_mm", "z_mm", "normal_mm"))
    return str(row["image_id"]), *places, str(row["seq"])


def _pair_columns(pairs: Pairs, any_of: str) -> list[tuple[str, str]]:
    meanings = {
        "length": "of the difference of their embeddings",
        "change of the logit": f"how far the classifier's logit of {any_of} lies apart, up or down",
    }
    head = [("neighbours", "what the two slices show; below, how well a size tells the first kind from the others")]
    return [*head, ("pairs", "how many there are"), *((name, meanings[name]) for name in pairs.sizes)]


def _pair_rows(pairs: Pairs) -> Rows:
    kinds = {
        "one with a finding, one without": pairs.edge,
        "both with a finding": pairs.before & pairs.after,
        "both without": ~pairs.before & ~pairs.after,
    }
    rows = [
        (
            name,
            str(int(kind.sum())),
            *(_number(size[kind].mean() if kind.any() else np.nan) for size in pairs.sizes.values()),
        )
        for name, kind in kinds.items()
    ]
    return [*rows, ("area under the ROC curve", "", *(_number(pairs.area(name)) for name in pairs.sizes))]


def _batch_row(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["series"], row["slices"], row["padding"], f"{row['first']} to {row['last']}"


def _line_row(line: Line) -> tuple[str, ...]:
    weights = f"{line.parameters:,}" if line.parameters else "–"
    return line.code, f"({line.symbols})", str(line.shape), weights, line.words


def _score_row(row: dict[Any, Any], any_of: str) -> tuple[str, ...]:
    area = _number(row[f"auc_{any_of}"])
    change, bounds = "–", "–"
    if row["gain_over"] == AS_IT_IS:
        change, bounds = f"{-row['gain']:+.4f}", f"{-row['gain_high']:+.4f} to {-row['gain_low']:+.4f}"
    name = "classifier alone, no sequence network" if row["system"] == CLASSIFIER else row["system"]
    return name, f"{row['weighted_log_loss']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}", change, bounds, area


def _ablations(scores: Sequence[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """The rows that are compared with the run as it is."""
    return [row for row in scores if row["gain_over"] == AS_IT_IS]


def verdict(ablations: Sequence[dict[Any, Any]]) -> str:
    """Which changes are told apart from none, in words. ablations: rows of the score table with the bounds of gains."""
    groups: dict[str, list[str]] = {}
    for row in ablations:
        kind = "The loss is higher" if row["gain_high"] < 0 else "It is lower" if row["gain_low"] > 0 else ""
        groups.setdefault(kind or "Not told apart from no change, on so many patients", []).append(row["system"])
    return " ".join(f"{words}: {', '.join(names)}." for words, names in sorted(groups.items(), reverse=True))


def _number(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.3f}"
