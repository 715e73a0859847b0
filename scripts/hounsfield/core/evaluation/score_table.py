"""Scores of several systems on the same rows: the competition's loss, by name as well, with intervals over patients.

N rows, C names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.counts import count_of
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.metrics import (
    auc_bootstrap,
    auc_by_class,
    interval,
    log_loss,
    mean_of_known,
    means_by_name,
    patient_bootstrap,
)
from hounsfield.core.evaluation.out_of_fold import UNSEEN, ByDesign, check_seen
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD
from hounsfield.core.storage.files import write_bytes

DRAWS = 2000  # bootstrap samples of patients
SEED = 2019
CLIP = 1e-5  # of probabilities in the log loss of one name
METRIC = "weighted_log_loss"  # the column of the loss, unless it is called otherwise
LOSSES = (METRIC, "one_minus_dice", "study_loss")  # what that column is called; a table has one of them
# the column of the number of rows
COUNTED = {"image_id": "slices", "film_id": "films", "series_uid": "series", "study_uid": "studies"}
OTHER_ROWS = "rows"  # that column, of rows of another kind
TEXTS = ("system", "experiment", "gain_over", "folds", "models", "ledger")
BOUNDS = ("_low", "_high")  # of the 95 % interval of a measure, after its name
CLEAN_HEADING = "out of fold: no model behind a row has seen its patients"
NO_PATIENT_SEEN = "no patient of it was seen"  # the ledger, and the heading, of a data set of one's own
LEAKS_HEADING = "leaks by design, as published: not comparable"
Row = dict[Any, Any]  # of a score table, by column


@dataclass(frozen=True)
class System:
    """One way to predict the rows."""

    name: str
    experiment: str
    probabilities: np.ndarray  # (N, C), or whatever else the loss of the label set reads
    models: str  # which models made them, in words
    over: int | None = None  # number, among the systems, of the one that it is compared with
    ranks: bool = True  # False: the same for all rows of a fold, as the prior is
    # (N,) of str, or one for all: how the models behind a row have seen its patient ("train", "early_stop", "upstream";
    # "": not at all)
    seen: np.ndarray = field(default_factory=lambda: np.array(""))
    by_design: ByDesign = UNSEEN  # where a published recipe scores patients that its models have seen
    # more of the rows, by name: (N,) values, of which the mean is shown; NaN where a row does not count
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    rankings: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # (N,) and labels: the AUC


def score_columns(label_set: LabelSet, metric: str = METRIC, measures: Iterable[str] = ()) -> list[str]:
    """The columns of a score table; a reader finds them by name. measures: the systems' own.

    metric: what the loss is called, one of LOSSES; lower is better.
    """
    if metric not in LOSSES:
        raise ValueError(f"{metric}: add it to LOSSES, by which readers find the column")
    return [
        *("system", "experiment", metric, "low", "high"),  # low, high: 95 % interval
        *("gain_over", "gain", "gain_low", "gain_high"),  # how much lower the loss is than that of `gain_over`
        *(f"log_loss_{name}" for name in label_set.names),
        *(f"auc_{name}" for name in label_set.names),
        *(f"{name}{end}" for name in measures for end in ("", *BOUNDS)),
        *("patients", counted(label_set), "folds", "models"),  # what the row rests on
        "ledger",  # OUT_OF_FOLD, what leaks by design, or NO_PATIENT_SEEN
    ]


def counted(label_set: LabelSet) -> str:
    """The column of the number of rows."""
    return COUNTED.get(label_set.row, OTHER_ROWS)


def loss_column(table: pd.DataFrame) -> str:
    """What the loss is called in a table with `score_columns`."""
    return str(table.columns[table.columns.isin(LOSSES)].item())


def counted_column(table: pd.DataFrame) -> str:
    """What the rows are called that a table with `score_columns` counts."""
    return str(table.columns[table.columns.isin([*COUNTED.values(), OTHER_ROWS])].item())


def score(label_set: LabelSet, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """The loss and the AUC of each name; None where a name has one label only. probabilities, labels: (N, C)."""
    areas = zip(label_set.names, auc_by_class(probabilities, labels), strict=True)
    named = {f"auc_{name}": None if np.isnan(area) else float(area) for name, area in areas}
    loss = mean_of_known(label_set.loss(probabilities, labels))
    return {METRIC: None if np.isnan(loss) else loss, **named}


def score_table(
    label_set: LabelSet,
    systems: Iterable[System],
    labels: np.ndarray,
    patients: np.ndarray,
    folds: str,
    *,
    metric: str = METRIC,
    remedy: str = "",
) -> pd.DataFrame:
    """One row per system, with the columns of `score_columns`.

    labels: (N, C), NaN where unknown; rows without any do not count. patients: (N,) identifiers. All systems are
    scored on the same draws of patients, so the interval of a gain is that of the paired difference. `systems` may
    be a generator: only the losses are kept.
    remedy: the commands that make the predictions anew.
    Raises BadInput when a system's models have seen a patient that is scored, unless that is by design.
    """
    rows: list[dict[str, object]] = []
    losses: list[np.ndarray] = []  # (N,) each
    compared: list[int | None] = []
    measures: dict[str, None] = {}
    codes, _ = pd.factorize(patients)
    for system in systems:
        seen = np.broadcast_to(system.seen, patients.shape)
        check_seen(f"{system.name} ({system.experiment})", patients, seen, system.by_design, remedy)
        losses.append(label_set.loss(system.probabilities, labels))
        compared.append(system.over)
        about = {"system": system.name, "experiment": system.experiment, "models": system.models}
        about["ledger"] = system.by_design.words or OUT_OF_FOLD
        rows.append(about | _by_name(label_set, system, labels) | _measured(system, codes))
        measures |= dict.fromkeys((*system.measures, *system.rankings))
    if not rows:
        return empty_table(label_set, metric)
    columns = score_columns(label_set, metric, measures)
    draws = patient_bootstrap(np.stack(losses, axis=1), codes, draws=DRAWS, seed=SEED)
    scored = ~np.isnan(losses[0])
    basis = {"patients": len(np.unique(codes[scored])), counted(label_set): int(scored.sum()), "folds": folds}
    for number, (row, loss, over) in enumerate(zip(rows, losses, compared, strict=True)):
        low, high = interval(draws[:, number])
        row |= {metric: mean_of_known(loss), "low": low, "high": high, "gain_over": "", **basis}
        if over is not None:
            low, high = interval(draws[:, over] - draws[:, number])
            row |= {"gain_over": rows[over]["system"], "gain": mean_of_known(losses[over]) - mean_of_known(loss)}
            row |= {"gain_low": low, "gain_high": high}
    return pd.DataFrame(rows, columns=columns)


def _by_name(label_set: LabelSet, system: System, labels: np.ndarray) -> dict[str, object]:
    """Log loss and AUC of each name."""
    by_name = means_by_name(log_loss(system.probabilities, labels, clip=CLIP))
    # over several folds a prior would seem to rank rows, and wrongly: where positives are held out it is lower
    areas = auc_by_class(system.probabilities, labels) if system.ranks else np.full(labels.shape[1], 0.5)
    found: dict[str, object] = {f"log_loss_{name}": loss for name, loss in zip(label_set.names, by_name, strict=True)}
    return found | {f"auc_{name}": area for name, area in zip(label_set.names, areas, strict=True)}


def _measured(system: System, patients: np.ndarray) -> dict[str, object]:
    """The measures of a system and their intervals. patients: (N,) codes."""
    found: dict[str, object] = {}
    if system.measures:
        values = np.stack(list(system.measures.values()), axis=1)  # (N, K)
        draws = patient_bootstrap(values, patients, draws=DRAWS, seed=SEED)
        for name, value, own in zip(system.measures, pd.DataFrame(values).mean(), draws.T, strict=True):
            found |= _with_bounds(name, value, own)
    for name, (probabilities, labels) in system.rankings.items():
        area, own = 0.5, np.full(1, 0.5)
        if system.ranks:
            area = auc_by_class(probabilities[:, np.newaxis], labels[:, np.newaxis])[0]
            own = auc_bootstrap(probabilities, labels, patients, draws=DRAWS, seed=SEED)
        found |= _with_bounds(name, area, own)
    return found


def _with_bounds(name: str, value: float, draws: np.ndarray) -> dict[str, object]:
    low, high = interval(draws)
    return {name: value, **dict(zip((f"{name}{end}" for end in BOUNDS), (low, high), strict=True))}


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
    """The table as aligned text of at most 120 columns; what leaks by design stands apart from what is out of fold."""
    rows = counted_column(table)
    if table.empty:
        return f"no out-of-fold {rows}: nothing to score"
    first, external = table.iloc[0], bool((table["ledger"] == NO_PATIENT_SEEN).all())
    clean = (table["ledger"] == OUT_OF_FOLD) | external
    several = len(set(table["experiment"]) - {""}) > 1
    named = zip(table["system"], table["experiment"], strict=True)
    names = [f"{system} ({experiment})" if several and experiment else str(system) for system, experiment in named]
    table = table.assign(system=names)
    kind, where = (rows, first["folds"]) if external else (f"out-of-fold {rows}", f"folds {first['folds']}")
    lines = [f"{count_of(first[rows], kind)} of {count_of(first['patients'], 'patients')}, {where}"]
    if clean.any():
        lines += ["", NO_PATIENT_SEEN if external else CLEAN_HEADING, "", *_block(table[clean], _gain)]
    if not clean.all():
        lines += ["", LEAKS_HEADING, "", *_block(table[~clean], _leak)]
    return "\n".join(lines)


def _block(table: pd.DataFrame, more: Callable[[Row | None], list[str]]) -> list[str]:
    """Losses and `more` (which gives its head for None), then loss and AUC of each name, then the systems' measures."""
    columns = [str(name) for name in table.columns]
    measures = [name for name in columns if name != "gain" and f"{name}{BOUNDS[0]}" in columns]
    metric = loss_column(table)
    labels = [name.removeprefix("log_loss_") for name in columns if name.startswith("log_loss_")]
    sure = bool(table["low"].notna().any())  # without intervals one is not called better than another, either
    head = ["system", metric.removeprefix("weighted_").replace("_", " ")]
    whole = [[*head, "95 % interval", *more(None)] if sure else head]
    by_name = [["log loss / AUC", *labels]]
    measured = [["mean (95 % interval)", *(name.replace("_", " ") for name in measures)]]
    for row in table.to_dict("records"):
        cells = [row["system"], f"{row[metric]:.4f}"]
        whole.append([*cells, f"{row['low']:.4f} to {row['high']:.4f}", *more(row)] if sure else cells)
        by_name.append([row["system"], *(_name_cell(row[f"log_loss_{c}"], row[f"auc_{c}"]) for c in labels)])
        measured.append([row["system"], *(_measure_cell(row, name) for name in measures)])
    more_blocks = [block for block in (by_name, measured) if len(block[0]) > 1]
    return [*aligned(whole), *(line for block in more_blocks for line in ("", *aligned(block)))]


def _gain(row: Row | None) -> list[str]:
    if row is None:
        return ["better than", "by", "95 % interval"]
    if not row["gain_over"]:
        return []
    return [row["gain_over"], _signed(row["gain"]), f"{_signed(row['gain_low'])} to {_signed(row['gain_high'])}"]


def _leak(row: Row | None) -> list[str]:
    return ["what leaks"] if row is None else [row["ledger"]]


def _signed(gain: float) -> str:
    return f"{round(gain, 4) + 0.0:+.4f}"  # + 0.0: no minus before a zero


def _name_cell(loss: float, area: float) -> str:
    return f"{loss:.4f} / {'none' if np.isnan(area) else format(area, '.3f')}"


def _measure_cell(row: Row, name: str) -> str:
    low, high = (row[f"{name}{end}"] for end in BOUNDS)
    bounds = "" if np.isnan(low) else f" ({low:.2f}-{high:.2f})"
    return "none" if np.isnan(row[name]) else f"{row[name]:.3f}{bounds}"


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines of aligned columns, the first row the head; rows may end early."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
