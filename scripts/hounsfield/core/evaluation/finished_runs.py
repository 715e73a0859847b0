"""The finished predictions of one system, as another program finds them: held-out and test rows of one data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.predictions import TEST, read_manifest, read_predictions
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import check_name


class SystemRun(NamedTuple):
    """One system's finished predictions."""

    name: str  # <system>/<experiment>
    table: Path
    data_set: str
    sha256: str
    predictions: pd.DataFrame  # indexed by the rows' identifiers: split, a probability for each name


def read_run(folder: Path, label_set: LabelSet, tables: Mapping[str, str]) -> SystemRun:
    """The finished predictions in a folder.

    tables: the file that each system leaves, and how to make it. Raises MissingInput, with these, when none is there.
    """
    for name, remedy in tables.items():
        if (folder / name).exists():
            path = (folder / name).resolve()
            manifest = read_manifest(path, remedy=remedy)
            frame, _ = read_predictions(path, label_set, remedy=remedy)
            data_set = str(manifest.get("data_set"))
            system_run = f"{path.parent.parent.name}/{path.parent.name}"
            return SystemRun(system_run, path, data_set, manifest["sha256"], frame.set_index(label_set.row))
    stages = ", ".join(f"{name} ({remedy})" for name, remedy in tables.items())
    raise MissingInput(f"{folder}: none of {stages}")


def one_data_set(runs: list[SystemRun]) -> str:
    """The data set that all runs predict. Raises BadInput when they differ."""
    names = sorted({one.data_set for one in runs})
    if len(names) > 1:
        raise BadInput(f"the runs predict different data sets ({', '.join(names)}); blend those of one")
    return check_name(names[0], "the runs' data set")


def common_rows(runs: list[SystemRun], table: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of `table` that every run predicts in `split`, in their order.

    table: the data set's, indexed as the predictions are. Test rows must be the same in all runs: a submission needs
    each. Out-of-fold ones may differ, where runs cover different folds; those in common are scored.
    Raises BadInput naming the rows at fault.
    """
    parts = [set(one.predictions.index[one.predictions["split"] == split]) for one in runs]
    common, every = set.intersection(*parts), set.union(*parts)
    if split == TEST and common != every:
        lacking = next((one, sorted(every - part)) for one, part in zip(runs, parts, strict=True) if part != every)
        raise BadInput(
            f"{lacking[0].table}: {len(lacking[1])} test rows of the other runs are missing here, the first are "
            f"{lacking[1][:10]}; make all runs from the same data set"
        )
    if common != every:
        logger.warning("%d of %d out-of-fold rows are predicted by all; these are scored", len(common), len(every))
    strange = common - set(table.index)
    if strange:
        raise BadInput(
            f"{len(strange)} predicted rows are not in the data set's table, the first are {sorted(strange)[:10]}"
        )
    return table[table.index.isin(common)]


def probabilities(one: SystemRun, label_set: LabelSet, table: pd.DataFrame) -> np.ndarray:
    """The run's probabilities of the rows of `table`, (n, C)."""
    return one.predictions.loc[table.index, list(label_set.names)].to_numpy(np.float64)
