"""External validation: answers scored on labels of one's own, none of whose patients a model behind them has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.score_table import (
    BOUNDS,
    METRIC,
    NO_PATIENT_SEEN,
    System,
    score_table,
    write_scores,
)
from hounsfield.core.stages.outputs import Input, Provenance, output
from hounsfield.core.stages.upstream import Upstream

VALIDATION = "validation.csv"
FEWEST = 10  # patients of whom an interval is told


def external_scores(
    label_set: LabelSet,
    systems: Iterable[System],
    labels: np.ndarray,
    patients: np.ndarray,
    data_set: str,
    metric: str = METRIC,
) -> pd.DataFrame:
    """A `score_table` of a data set that was never trained on.

    Without intervals where there are fewer than FEWEST patients, or where no name has both kinds of label: samples of
    a handful of patients, or of one kind of them, vary far less than patients do.
    """
    table = score_table(label_set, systems, labels, patients, f"external: {data_set}", metric=metric)
    table = table.assign(ledger=NO_PATIENT_SEEN)
    both = not labels.shape[1] or ((labels > 0.5).any(axis=0) & (labels <= 0.5).any(axis=0)).any()
    if table["patients"].iloc[0] < FEWEST or not both:
        bounds = [name for name in table if name in ("low", "high") or str(name).endswith(BOUNDS)]
        table = table.assign(**dict.fromkeys(map(str, bounds), np.nan))
    return table


def without_interval(table: pd.DataFrame) -> str:
    """Why the scores of a data set of one's own have no intervals, in a sentence; "" where they have."""
    own = table[table["ledger"] == NO_PATIENT_SEEN]
    if own["low"].notna().any():
        return ""
    patients = int(own["patients"].iloc[0])
    if patients < FEWEST:
        return f"No interval and no verdict: {FEWEST} patients are needed; scored: {patients}."
    return "No interval and no verdict: no class has positive and negative labels among what is scored."


def write_validation(
    stage: str,
    answers: Upstream,
    labels: str,
    score: Callable[[], pd.DataFrame],
    readable: Callable[[pd.DataFrame], str],
) -> str:
    """Write VALIDATION beside the answers; returns it for a terminal, and where it lies.

    labels: their digest. score: makes the table. An earlier validation does not outlive one that fails.
    """
    folder = answers.folder / "validation"
    inputs = {"answers": answers.as_input(), "labels": Input(labels)}
    with output(folder, Provenance(stage, {}, inputs), force=True, remedy="") as out:
        table = score()
        write_scores(folder / VALIDATION, table)
        out.finish([VALIDATION])
    said = [readable(table), without_interval(table), f"validation: {folder / VALIDATION}"]
    return "\n\n".join(filter(None, said))
