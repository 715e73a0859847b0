"""Scores of several systems on the same rows: the competition's loss, by name as well, with intervals over patients.

N rows, C names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.metrics import auc_by_class, interval, log_loss, patient_bootstrap
from hounsfield.core.storage.files import write_bytes

DRAWS = 2000  # bootstrap samples of patients
SEED = 2019
CLIP = 1e-5  # of probabilities in the log loss of one name
METRIC = "weighted_log_loss"  # the column of the loss, unless it is called otherwise
COUNTED = {"image_id": "slices", "study_uid": "studies"}  # the column of the number of rows
TEXTS = ("system", "experiment", "gain_over", "folds", "models")


@dataclass(frozen=True)
class System:
    """One way to predict the rows."""

    name: str
    experiment: str
    probabilities: np.ndarray  # (N, C), or whatever else the loss of the label set reads
    models: str  # which models made them, in words
    over: int | None = None  # number, among the systems, of the one that it is compared with
    ranks: bool = True  # False: the same for all rows of a fold, as the prior is


def score_columns(label_set: LabelSet, metric: str = METRIC) -> list[str]:
    """The columns of a score table. metric: what the loss is called; lower is better."""
    return [
        *("system", "experiment", metric, "low", "high"),  # low, high: 95 % interval
        *("gain_over", "gain", "gain_low", "gain_high"),  # how much lower the loss is than that of `gain_over`
        *(f"log_loss_{name}" for name in label_set.names),
        *(f"auc_{name}" for name in label_set.names),
        *("patients", COUNTED.get(label_set.row, "rows"), "folds", "models"),  # what the row rests on
    ]


def score(label_set: LabelSet, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """The loss and the AUC of each name; None where a name has one label only. probabilities, labels: (N, C)."""
    areas = zip(label_set.names, auc_by_class(probabilities, labels), strict=True)
    named = {f"auc_{name}": None if np.isnan(area) else float(area) for name, area in areas}
    return {METRIC: float(label_set.loss(probabilities, labels).mean()), **named}


def score_table(
    label_set: LabelSet,
    systems: Iterable[System],
    labels: np.ndarray,
    patients: np.ndarray,
    folds: str,
    *,
    metric: str = METRIC,
) -> pd.DataFrame:
    """One row a system, with the columns of `score_columns`.

    labels: (N, C) of 0 and 1. patients: (N,) identifiers. All systems are scored on the same draws of patients, so the
    interval of a gain is that of the paired difference. `systems` may be a generator: only the losses are kept.
    """
    rows: list[dict[str, object]] = []
    losses: list[np.ndarray] = []  # (N,) each
    compared: list[int | None] = []
    for system in systems:
        losses.append(label_set.loss(system.probabilities, labels))
        compared.append(system.over)
        about = {"system": system.name, "experiment": system.experiment, "models": system.models}
        rows.append(about | _by_name(label_set, system, labels))
    columns = score_columns(label_set, metric)
    if not rows:
        return empty_table(label_set, metric)
    codes, distinct = pd.factorize(patients)
    draws = patient_bootstrap(np.stack(losses, axis=1), codes, draws=DRAWS, seed=SEED)
    basis = {"patients": len(distinct), COUNTED.get(label_set.row, "rows"): len(labels), "folds": folds}
    for number, (row, loss, over) in enumerate(zip(rows, losses, compared, strict=True)):
        low, high = interval(draws[:, number])
        row |= {metric: loss.mean(), "low": low, "high": high, "gain_over": "", **basis}
        if over is not None:
            low, high = interval(draws[:, over] - draws[:, number])
            row |= {"gain_over": rows[over]["system"], "gain": losses[over].mean() - loss.mean()}
            row |= {"gain_low": low, "gain_high": high}
    return pd.DataFrame(rows, columns=columns)


def _by_name(label_set: LabelSet, system: System, labels: np.ndarray) -> dict[str, object]:
    """Log loss and AUC of each name."""
    by_name = log_loss(system.probabilities, labels, clip=CLIP).mean(axis=0)
    # over several folds a prior would seem to rank rows, and wrongly: where positives are held out it is lower
    areas = auc_by_class(system.probabilities, labels) if system.ranks else np.full(labels.shape[1], 0.5)
    found: dict[str, object] = {f"log_loss_{name}": loss for name, loss in zip(label_set.names, by_name, strict=True)}
    return found | {f"auc_{name}": area for name, area in zip(label_set.names, areas, strict=True)}


def empty_table(label_set: LabelSet, metric: str = METRIC) -> pd.DataFrame:
    """The table when there is nothing to score: columns and no rows."""
    return pd.DataFrame(columns=score_columns(label_set, metric))


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV."""
    write_bytes(path, table.to_csv(index=False, float_format="%.8f", lineterminator="\n").encode())


def read_scores(path: Path) -> pd.DataFrame:
    """Read what `write_scores` wrote."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
    return table.fillna(dict.fromkeys(TEXTS, ""))


def readable(table: pd.DataFrame) -> str:
    """The table as aligned text of at most 120 columns: losses and gains, then loss and AUC of each name."""
    metric, rows = table.columns[2], table.columns[table.columns.get_loc("patients") + 1]
    if table.empty:
        return f"no out-of-fold {rows}: nothing to score"
    several = len(set(table["experiment"]) - {""}) > 1
    named = zip(table["system"], table["experiment"], strict=True)
    names = [f"{system} ({experiment})" if several and experiment else str(system) for system, experiment in named]
    said = metric.removeprefix("weighted_").replace("_", " ")
    whole = [["system", said, "95 % interval", "better than", "by", "95 % interval"]]
    labels = [name.removeprefix("auc_") for name in table.columns if name.startswith("auc_")]
    by_name = [["log loss / AUC", *labels]]
    for name, row in zip(names, table.to_dict("records"), strict=True):
        cells = [name, f"{row[metric]:.4f}", f"{row['low']:.4f} to {row['high']:.4f}"]
        if row["gain_over"]:
            cells += [
                row["gain_over"],
                _signed(row["gain"]),
                f"{_signed(row['gain_low'])} to {_signed(row['gain_high'])}",
            ]
        whole.append(cells)
        by_name.append([name, *(_name_cell(row[f"log_loss_{c}"], row[f"auc_{c}"]) for c in labels)])
    first = table.to_dict("records")[0]
    basis = f"{first[rows]} out-of-fold {rows} of {first['patients']} patients, folds {first['folds']}"
    return "\n".join([basis, "", *_aligned(whole), *(["", *_aligned(by_name)] if labels else [])])


def _signed(gain: float) -> str:
    return f"{round(gain, 4) + 0.0:+.4f}"  # + 0.0: no minus before a zero


def _name_cell(loss: float, area: float) -> str:
    return f"{loss:.4f} / {'none' if np.isnan(area) else format(area, '.3f')}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
