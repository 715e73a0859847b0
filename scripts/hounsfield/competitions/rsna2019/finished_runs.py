"""The finished predictions of one system, as another program finds them: held-out and test slices of one data set."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.predictions import TEST, read_manifest, read_predictions
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import check_name

TABLES = {  # what each system leaves, and the stage that makes it
    "bag.parquet": "sh bin/run_15_bagged_submission.sh",
    "ensemble.parquet": "sh bin/run_45_stacking_ensemble.sh",
}


class SystemRun(NamedTuple):
    """One system's finished predictions."""

    name: str  # <system>/<experiment>
    table: Path
    data_set: str
    sha256: str
    predictions: pd.DataFrame  # indexed by image_id: split, six probabilities


def read_run(folder: Path) -> SystemRun:
    """The finished predictions in a folder. Raises MissingInput naming the stages that make them."""
    for name, remedy in TABLES.items():
        if (folder / name).exists():
            path = (folder / name).resolve()
            manifest = read_manifest(path, remedy=remedy)
            frame, _ = read_predictions(path, remedy=remedy)
            data_set = str(manifest.get("data_set"))
            system_run = f"{path.parent.parent.name}/{path.parent.name}"
            return SystemRun(system_run, path, data_set, manifest["sha256"], frame.set_index("image_id"))
    stages = ", ".join(f"{name} ({remedy})" for name, remedy in TABLES.items())
    raise MissingInput(f"{folder}: none of {stages}")


def one_data_set(runs: list[SystemRun]) -> str:
    """The data set that all runs predict. Raises BadInput when they differ."""
    names = sorted({one.data_set for one in runs})
    if len(names) > 1:
        raise BadInput(f"the runs predict different data sets ({', '.join(names)}); bag those of one")
    return check_name(names[0], "the runs' data set")


def common_slices(runs: list[SystemRun], slices: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of `slices` that every run predicts in `split`, in their order.

    Test slices must be the same in all runs: a submission needs each. Out-of-fold ones may differ, where runs cover
    different folds; those in common are scored. Raises BadInput naming the slices at fault.
    """
    parts = [set(one.predictions.index[one.predictions["split"] == split]) for one in runs]
    common, every = set.intersection(*parts), set.union(*parts)
    if split == TEST and common != every:
        lacking = next((one, sorted(every - part)) for one, part in zip(runs, parts, strict=True) if part != every)
        raise BadInput(
            f"{lacking[0].table}: {len(lacking[1])} test slices of the other runs are missing here, the first are "
            f"{lacking[1][:10]}; make both runs from the same slices.parquet"
        )
    if common != every:
        logger.warning("%d of %d out-of-fold slices are predicted by all; these are scored", len(common), len(every))
    strange = common - set(slices.index)
    if strange:
        raise BadInput(f"{len(strange)} predicted slices are in no slice table, the first are {sorted(strange)[:10]}")
    return slices[slices.index.isin(common)]


def probabilities(one: SystemRun, slices: pd.DataFrame) -> np.ndarray:
    """The run's probabilities of some slices, (n, 6)."""
    return one.predictions.loc[slices.index, list(CLASSES)].to_numpy(np.float64)
