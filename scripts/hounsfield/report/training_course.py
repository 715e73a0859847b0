"""How the trainings behind a run went: what each has noted after each of its epochs, and how long these took."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.run_report import RunReport
from hounsfield.core.stages.lineage import Rested
from hounsfield.core.training.scalar_files import SAMPLES_PER_SECOND, TENSORBOARD, read_scalars
from hounsfield.report.charts import Chart, Line

LOSS = "training_loss"
FOLD = re.compile(r"fold(\w+?)(?=_|/|$)")
MOST_FOLDS = 12  # lines of one chart
MEANING = "A line per fold. The loss on what is learnt from should fall; scores are of the fold that is held out."


def training_runs(report: RunReport, outputs: Sequence[Rested]) -> list[dict[str, Any]]:
    """The trainings that have left scalars: place, network (the place without its fold), fold, scalars, seconds."""
    found = []
    for one in outputs:
        scalars = read_scalars(report.run.work / one.place / TENSORBOARD)
        if scalars.empty:
            continue
        fold, kept = FOLD.search(one.place), set(scalars["name"]) - {SAMPLES_PER_SECOND}
        found.append(
            {
                "place": one.place,
                "network": FOLD.sub("fold*", one.place).removeprefix("checkpoints/"),
                "fold": fold.group(1) if fold else "",
                "stage": one.stage,
                "scalars": {str(name): _curve(own) for name, own in scalars.groupby("name", sort=True) if name in kept},
                "seconds_per_epoch": _seconds_per_epoch(scalars),
                "samples_per_second": _median(scalars.loc[scalars["name"] == SAMPLES_PER_SECOND, "value"]),
            }
        )
    return sorted(found, key=lambda run: (run["network"], run["fold"]))


def _curve(scalars: pd.DataFrame) -> dict[str, list[Any]]:
    return {"epoch": scalars["epoch"].tolist(), "value": [round(value, 7) for value in scalars["value"]]}


def _seconds_per_epoch(scalars: pd.DataFrame) -> float | None:
    """The median time between the ends of two epochs; None where there is but one."""
    ends = np.sort(scalars.loc[scalars["name"] == LOSS, "time"].to_numpy())
    return _median(np.diff(ends))


def _median(values: np.ndarray | pd.Series) -> float | None:
    return round(float(np.median(values)), 3) if len(values) else None


def training_charts(runs: Sequence[dict[str, Any]]) -> list[Chart]:
    """By network a chart of the training loss, and one of each score that is no area of one name."""
    found = []
    for number, network in enumerate(dict.fromkeys(run["network"] for run in runs)):
        own = [run for run in runs if run["network"] == network][:MOST_FOLDS]
        scores = dict.fromkeys(name for run in own for name in run["scalars"] if not name.startswith("auc_"))
        for place, name in enumerate(sorted(scores, key=lambda one: (one != LOSS, one))):
            lines = [
                Line(f"fold {run['fold']}", *_points(run["scalars"][name]), colour=at, marker=".")
                for at, run in enumerate(own)
                if name in run["scalars"]
            ]
            words = name.replace("_", " ")
            found.append(Chart(f"training_{number}_{place}", network, "epoch", words, MEANING, lines))
    return found


def _points(curve: dict[str, list[Any]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(curve["epoch"], np.float64), np.array(curve["value"], np.float64)
