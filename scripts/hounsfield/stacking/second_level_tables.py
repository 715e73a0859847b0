"""The second level's tables of predictions, as stage 45 reads and averages them.

N slices in the order of the stacking slices, C = 6 classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import MissingInput
from hounsfield.core.evaluation.held_out import HeldOut
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.predictions import Rows, mean_of_tables
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import Upstream, check_made, require
from hounsfield.stacking.booster_runs import BoosterRun, booster_run
from hounsfield.stacking.config import STOPPINGS, Stopping
from hounsfield.stacking.experiments import StackingCommand, remedies
from hounsfield.stacking.paths import LEARN, PREDICTIONS


class BoosterTable(NamedTuple):
    """What the models of one library and way of early stopping predict."""

    run: BoosterRun
    output: Upstream

    @property
    def name(self) -> str:
        """Short and unique, for records."""
        return f"second level {self.run.name}"


class SecondLevel(NamedTuple):
    """The tables' probabilities, and whom the models behind them have seen."""

    runs: list[BoosterRun]
    probabilities: dict[str, np.ndarray]  # by the run's name, (N, C); NaN for slices of folds that are left out
    ledgers: dict[str, Ledger]  # by the run's name, a part per fold

    def mean(self, stopping: Stopping) -> np.ndarray:
        """The mean over the libraries, (N, C)."""
        return np.mean([self.probabilities[one.name] for one in self.stopped_by(stopping)], axis=0)

    def ledger(self, stopping: Stopping) -> Ledger:
        """Whom the libraries have seen, together."""
        return Ledger.joined([self.ledgers[one.name] for one in self.stopped_by(stopping)])

    def stopped_by(self, stopping: Stopping) -> list[BoosterRun]:
        """The runs with one way of early stopping."""
        return [one for one in self.runs if one.stopping == stopping]


def open_second_level(command: StackingCommand, folds: Sequence[int]) -> list[BoosterTable]:
    """The tables of the libraries that the command line or the configuration names, both ways of early stopping.

    Raises MissingInput naming those that are not there, and StaleOutput where one was made otherwise than the
    configuration says, or from something else than there is now.
    """
    remedy_of = remedies(command)
    boosters = dict.fromkeys(command.arguments.booster or command.config.second_level.boosters)
    runs = [booster_run(command, *one, folds) for one in itertools.product(boosters, STOPPINGS)]
    missing = [str(one.table) for one in runs if read_record(one.table) is None]
    if missing:
        listing = "\n".join(f"  {path}" for path in missing)
        raise MissingInput(
            f"{len(missing)} of {len(runs)} tables of the second level are missing or not finished:\n{listing}\n"
            f"Make them with: {remedy_of(LEARN)}\nor name the libraries that there are: --booster NAME"
        )
    tables = [BoosterTable(one, require(command.work, one.table, LEARN, remedy_of)) for one in runs]
    for one, output in tables:
        check_made(output, one.identity, settings_of={"second level": one.settings(command.config)})
    return tables


def read_second_level(
    label_set: LabelSet, tables: Sequence[BoosterTable], slices: pd.DataFrame, held_out: HeldOut
) -> SecondLevel:
    """Read all tables. slices: N rows with image_id and split.

    Raises BadInput when one does not hold the test slices and those that are held out, in their order.
    """
    is_test = (slices["split"] == "test").to_numpy()
    positions, rows = np.union1d(np.flatnonzero(is_test), held_out.rows), Rows(slices["image_id"].to_numpy(), is_test)
    probabilities = {
        one.name: mean_of_tables(label_set, [(output.file(PREDICTIONS), positions)], rows, remedy=output.remedy)
        for one, output in tables
    }
    ledgers = {one.name: output.learned() for one, output in tables}
    return SecondLevel([one for one, _ in tables], probabilities, ledgers)
