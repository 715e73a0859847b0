"""What a finished run of this system says of itself, for the report."""

from __future__ import annotations

from typing import cast

from hounsfield.competitions.rsna2019.report_data import REPORT_COLUMNS, ScoredSlices, report_of_slices
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.run_report import NOTHING_HELD_OUT, RunReport
from hounsfield.core.stages.finished import input_of, inputs_named, member_of
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.stacking.booster_runs import BoosterRun
from hounsfield.stacking.config import Booster, Stopping
from hounsfield.stacking.ensemble import CnnTable
from hounsfield.stacking.results import read_results
from hounsfield.stacking.scores import ensemble_by_design, scored_systems
from hounsfield.stacking.second_level_tables import BoosterTable

FIRST, SECOND = "cnn_ensemble", "second_level"


def report_facts(run: Upstream, remedy_of: RemedyOf) -> RunReport:
    """Read an ensemble and what it was made from. Raises WrongUse where it holds nothing that is out of fold."""
    data, stacking_data = (input_of(run, name, remedy_of) for name in ("data set", "stacking data"))
    folds, tables = run.record["settings"]["folds"], cnn_tables(run, remedy_of)
    results = read_results(stacking_data, tables, booster_tables(run, folds, remedy_of), folds)
    held_out, label_set = results.held_out, results.label_set
    if not len(held_out.rows):
        raise WrongUse(f"{run.folder} {NOTHING_HELD_OUT}")
    slices = read_slices(data, (*REPORT_COLUMNS, *label_set.names))
    systems = scored_systems("", results, sorted({one.epoch for one in tables}))[1:]
    second = next(one.name for one in systems if one.name.startswith(SECOND))
    kept = [one for one in systems if one.name in (FIRST, second)]
    scored = ScoredSlices(data, label_set, slices, held_out, kept, (FIRST, second))
    return report_of_slices(
        run,
        scored,
        method="Slice classifiers, then gradient boosting along a study over their probabilities; the libraries' mean.",
        published="RSNA Intracranial Hemorrhage Detection 2019, 11th place",
        drawn=bool((run.record["facts"].get("trained_on") or {}).get("drawn")),
        seen_by_design=ensemble_by_design(results.slices).words,
        answers={
            "selection": "epochs of classifiers are fixed; boosters stop early by another fold than the scored one",
            "combined": "mean over epochs and networks, then over the libraries of the second level",
        },
    )


def cnn_tables(run: Upstream, remedy_of: RemedyOf) -> list[CnnTable]:
    """The classifiers' tables that an ensemble was made from, by its record."""
    found = []
    for name, output in inputs_named(run, "predictions ", remedy_of).items():
        network, fold, epoch = member_of(name, "fold", "epoch")
        found.append(CnnTable(network, int(fold), int(epoch), output))
    return found


def booster_tables(run: Upstream, folds: list[int], remedy_of: RemedyOf) -> list[BoosterTable]:
    """The libraries' tables that an ensemble was made from, by its record."""
    found = []
    for name, output in inputs_named(run, "second level ", remedy_of).items():
        booster, stopping = name.split(" ")
        models = input_of(output, "second level", remedy_of).folder
        one = BoosterRun(cast(Booster, booster), cast(Stopping, stopping), tuple(folds), models, output.folder)
        found.append(BoosterTable(one, output))
    return found
