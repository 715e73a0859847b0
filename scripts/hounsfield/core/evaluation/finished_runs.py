"""The finished predictions of one system, as another program finds them: held-out and test rows of one data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.blending import blend_by_others, blended
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.out_of_fold import UNSEEN, ByDesign
from hounsfield.core.evaluation.predictions import TEST, read_predictions
from hounsfield.core.evaluation.score_table import METRIC, System, score
from hounsfield.core.logs import logger
from hounsfield.core.stages.finished import refuse_unknown
from hounsfield.core.stages.ledger import gravest
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import Upstream, require

FITTED = ByDesign("weights fitted on predictions by models that have seen the scored patients", ("upstream",))


class SystemRun(NamedTuple):
    """One system's finished predictions."""

    name: str  # <system>/<experiment>
    output: Upstream
    label_set: LabelSet
    predictions: pd.DataFrame  # indexed by the rows' identifiers: split, a probability for each name
    by_design: ByDesign  # how its models may have seen the patients of its held-out rows

    @property
    def data_set(self) -> str:
        """The data set that it predicts."""
        return str(Path(self.output.record["inputs"]["data set"]["record"]).parent.name)


def read_run(
    work: Path,
    folder: Path,
    label_set_of: Callable[[Upstream], LabelSet],
    tables: Mapping[str, str],
    remedy_of: Callable[[str, Path], str],
) -> SystemRun:
    """The finished predictions in a folder below `work`.

    label_set_of: finds the labels that an output is of. tables: by stage, the file that it leaves. remedy_of: the
    command that runs a stage for the run in a folder.
    Raises MissingInput or StaleOutput, with the commands, when none is there, or was made from something else than
    there is now.
    """
    folder = folder.resolve()
    if not folder.is_relative_to(work):
        raise WrongUse(f"{folder} is not below the work folder {work}; name it with --work or WORK")
    record = read_record(folder)
    if record is None or record["stage"] not in tables:
        refuse_unknown(folder)
        remedies = "\n".join(f"  {remedy_of(stage, folder)}" for stage in tables)
        raise MissingInput(f"{folder} holds no finished predictions; make them with one of:\n{remedies}")
    stage = record["stage"]
    output = require(work, folder, stage, lambda one: remedy_of(one, folder))
    label_set = label_set_of(output)
    frame = read_predictions(output.file(tables[stage]), label_set, remedy=output.remedy)
    leak = output.record["facts"].get("by_design")
    by_design = ByDesign(leak["words"], tuple(leak["roles"])) if leak else UNSEEN
    return SystemRun(
        f"{folder.parent.name}/{folder.name}", output, label_set, frame.set_index(label_set.row), by_design
    )


def one_data_set(runs: list[SystemRun]) -> str:
    """The data set that all runs predict. Raises BadInput when they differ, or have other labels of it."""
    names = sorted({one.data_set for one in runs})
    if len(names) > 1:
        raise BadInput(f"the runs predict different data sets ({', '.join(names)}); blend those of one")
    if len({one.label_set for one in runs}) > 1:
        named = ", ".join(f"{one.name} {' '.join(one.label_set.names)}" for one in runs)
        raise BadInput(f"the runs tell different labels of {names[0]} ({named}); blend those of one kind")
    return names[0]


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
            f"{lacking[0].output.folder}: {len(lacking[1])} test rows of the other runs are missing here (the first: "
            f"{lacking[1][:10]}); make all runs from the same data set"
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


def compare_runs(
    label_set: LabelSet,
    runs: list[SystemRun],
    known: list[np.ndarray],
    labels: np.ndarray,
    patients: np.ndarray,
    folds: list[np.ndarray],
    weights: np.ndarray,
    *,
    fitted: bool,
) -> list[System]:
    """Each run, then the blend; fitted weights are scored on patients that they were not fitted on.

    known: (M, C) for each run, on the rows to be scored. labels: (M, C); patients: (M,). folds: (M,) for each run, as
    its system has them. A leak by design in one of the runs is one of the blend, too.
    """
    seen = [one.output.learned().roles_by_fold(patients, own) for one, own in zip(runs, folds, strict=True)]
    found = []
    for one, p, s in zip(runs, known, seen, strict=True):
        system, experiment = one.name.split("/")
        words = f"predictions of {one.name}"
        found.append(System(system, experiment, p, words, seen=s, by_design=one.by_design))
    best = int(np.argmin([score(label_set, p, labels)[METRIC] or np.inf for p in known]))
    leaks = [one.by_design for one in runs if one.by_design.words]
    mean, models = blended(known, weights), "weights " + ", ".join(f"{w:.3f}" for w in weights)
    if fitted:
        leaks.append(FITTED)
        seen.append(np.full(len(patients), "upstream", object))
        mean = blend_by_others(label_set, known, labels, patients)
        models = "weights fitted on other patients than those scored"
    words = "; ".join(dict.fromkeys(leak.words for leak in leaks))
    leak = ByDesign(words, tuple(role for one in leaks for role in one.roles))
    return [*found, System("blend", "", mean, models, over=best, seen=gravest(seen), by_design=leak)]
