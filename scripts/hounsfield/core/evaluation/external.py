"""External validation: answers scored on labels of one's own, none of whose patients a model behind them has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.score_table import METRIC, NO_PATIENT_SEEN, System, score_table, write_scores
from hounsfield.core.stages.outputs import Input, Provenance, output
from hounsfield.core.stages.upstream import Upstream

VALIDATION = "validation.csv"


def external_scores(
    label_set: LabelSet,
    systems: Iterable[System],
    labels: np.ndarray,
    patients: np.ndarray,
    data_set: str,
    metric: str = METRIC,
) -> pd.DataFrame:
    """A `score_table` of a data set that was never trained on."""
    table = score_table(label_set, systems, labels, patients, f"external: {data_set}", metric=metric)
    return table.assign(ledger=NO_PATIENT_SEEN)


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
    return f"{readable(table)}\n\nvalidation: {folder / VALIDATION}"
