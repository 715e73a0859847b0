"""Scores of several systems on the same slices: the competition's log loss, by class, with intervals over patients.

N slices, C = 6 classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASS_WEIGHTS, CLASSES, PROBABILITY_CLIP
from hounsfield.core.evaluation.metrics import auc_by_class, interval, log_loss, patient_bootstrap, weighted_log_loss
from hounsfield.core.storage.files import write_bytes

DRAWS = 2000  # bootstrap samples of patients
SEED = 2019

COLUMNS = (
    *("system", "experiment", "weighted_log_loss", "low", "high"),  # low, high: 95 % interval
    *("gain_over", "gain", "gain_low", "gain_high"),  # how much lower the loss is than that of `gain_over`
    *(f"log_loss_{name}" for name in CLASSES),
    *(f"auc_{name}" for name in CLASSES),
    *("patients", "slices", "folds", "models"),  # what the row rests on
)
TEXTS = ("system", "experiment", "gain_over", "folds", "models")


@dataclass(frozen=True)
class System:
    """One way to predict the slices."""

    name: str
    experiment: str
    probabilities: np.ndarray  # (N, C)
    models: str  # which models made them, in words
    over: int | None = None  # number, among the systems, of the one that it is compared with
    ranks: bool = True  # False: the same for all slices of a fold, as the prior is


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Weighted log loss and the AUC of each class, by name; None where a class has one label only."""
    loss = weighted_log_loss(probabilities, labels, CLASS_WEIGHTS, clip=PROBABILITY_CLIP).mean()
    areas = auc_by_class(probabilities, labels)
    named = {f"auc_{name}": None if np.isnan(area) else float(area) for name, area in zip(CLASSES, areas, strict=True)}
    return {"weighted_log_loss": float(loss), **named}


def score_table(systems: Iterable[System], labels: np.ndarray, patients: np.ndarray, folds: str) -> pd.DataFrame:
    """One row a system, with the columns of COLUMNS.

    labels: (N, C) of 0 and 1. patients: (N,) identifiers. All systems are scored on the same draws of patients, so the
    interval of a gain is that of the paired difference. `systems` may be a generator: only the losses are kept.
    """
    rows: list[dict[str, object]] = []
    losses: list[np.ndarray] = []  # (N,) each
    compared: list[int | None] = []
    for system in systems:
        by_class = log_loss(system.probabilities, labels, clip=PROBABILITY_CLIP)
        losses.append(np.average(by_class, axis=1, weights=CLASS_WEIGHTS))
        # over several folds a prior would seem to rank slices, and wrongly: where positives are held out it is lower
        areas = auc_by_class(system.probabilities, labels) if system.ranks else np.full(len(CLASSES), 0.5)
        compared.append(system.over)
        rows.append(
            {"system": system.name, "experiment": system.experiment, "models": system.models}
            | {f"log_loss_{name}": loss for name, loss in zip(CLASSES, by_class.mean(axis=0), strict=True)}
            | {f"auc_{name}": area for name, area in zip(CLASSES, areas, strict=True)}
        )
    if not rows:
        return empty_table()
    codes, distinct = pd.factorize(patients)
    draws = patient_bootstrap(np.stack(losses, axis=1), codes, draws=DRAWS, seed=SEED)
    for number, (row, loss, over) in enumerate(zip(rows, losses, compared, strict=True)):
        low, high = interval(draws[:, number])
        row |= {"weighted_log_loss": loss.mean(), "low": low, "high": high, "gain_over": ""}
        row |= {"patients": len(distinct), "slices": len(labels), "folds": folds}
        if over is not None:
            low, high = interval(draws[:, over] - draws[:, number])
            row |= {"gain_over": rows[over]["system"], "gain": losses[over].mean() - loss.mean()}
            row |= {"gain_low": low, "gain_high": high}
    return pd.DataFrame(rows, columns=list(COLUMNS))


def empty_table() -> pd.DataFrame:
    """The table when there is nothing to score: columns and no rows."""
    return pd.DataFrame(columns=list(COLUMNS))


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV."""
    write_bytes(path, table.to_csv(index=False, float_format="%.8f", lineterminator="\n").encode())


def read_scores(path: Path) -> pd.DataFrame:
    """Read what `write_scores` wrote."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
    return table.fillna(dict.fromkeys(TEXTS, ""))


def readable(table: pd.DataFrame) -> str:
    """The table as aligned text of at most 120 columns: losses and gains, then loss and AUC of each class."""
    if table.empty:
        return "no out-of-fold slices: nothing to score"
    several = len(set(table["experiment"]) - {""}) > 1
    named = zip(table["system"], table["experiment"], strict=True)
    names = [f"{system} ({experiment})" if several and experiment else str(system) for system, experiment in named]
    whole = [["system", "log loss", "95 % interval", "better than", "by", "95 % interval"]]
    classes = [["log loss / AUC", *CLASSES]]
    for name, row in zip(names, table.to_dict("records"), strict=True):
        cells = [name, f"{row['weighted_log_loss']:.4f}", f"{row['low']:.4f} to {row['high']:.4f}"]
        if row["gain_over"]:
            cells += [
                row["gain_over"],
                _signed(row["gain"]),
                f"{_signed(row['gain_low'])} to {_signed(row['gain_high'])}",
            ]
        whole.append(cells)
        classes.append([name, *(_class_cell(row[f"log_loss_{c}"], row[f"auc_{c}"]) for c in CLASSES)])
    first = table.to_dict("records")[0]
    basis = f"{first['slices']} out-of-fold slices of {first['patients']} patients, folds {first['folds']}"
    return "\n".join([basis, "", *_aligned(whole), "", *_aligned(classes)])


def _signed(gain: float) -> str:
    return f"{round(gain, 4) + 0.0:+.4f}"  # + 0.0: no minus before a zero


def _class_cell(loss: float, area: float) -> str:
    return f"{loss:.4f} / {'none' if np.isnan(area) else format(area, '.3f')}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
