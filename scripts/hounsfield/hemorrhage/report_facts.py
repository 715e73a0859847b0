"""What a finished run of this system says of itself, for the report."""

from __future__ import annotations

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.paths import PREPARE
from hounsfield.competitions.rsna2019.report_data import REPORT_COLUMNS, ScoredSlices, counts, flow, levels, spreads
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.domain import facts_of
from hounsfield.core.evaluation.held_out import held_out_rows
from hounsfield.core.evaluation.run_report import RunReport
from hounsfield.core.evaluation.scores import read_scores
from hounsfield.core.stages.upstream import RemedyOf, Upstream, require
from hounsfield.hemorrhage.ensemble import BaggedRun, bag_runs, systems
from hounsfield.hemorrhage.paths import EXTRACT, TRAIN_SEQUENCE

PREDICTIONS_OF = "predictions "  # before the name of a run, among the inputs of a bag


def report_facts(run: Upstream, remedy_of: RemedyOf) -> RunReport:
    """Read a bag and what it was made from. Raises WrongUse where it holds nothing that is out of fold."""
    place = run.work / run.record["inputs"]["data set"]["record"]
    data = require(run.work, place.parent, PREPARE, remedy_of)
    settings, label_set = run.record["settings"], label_set_of(run)
    slices = read_slices(data, (*REPORT_COLUMNS, *label_set.names))
    own = settings["data_set"] == settings["trained_on"]
    held_out = held_out_rows(label_set, slices, settings["folds"] if own else ())
    if not len(held_out.rows):
        raise WrongUse(
            f"{run.folder} holds no out-of-fold predictions, and so no scores; name a run that was cross-validated on "
            "the data set that it was trained on"
        )
    runs = bagged_runs(run, remedy_of)
    last = {one.experiment: max(other.epoch for other in runs if other.experiment == one.experiment) for one in runs}
    is_test = (slices["split"] == "test").to_numpy()
    compared = systems(runs, bag_runs(runs, last, slices["image_id"], is_test, held_out), slices, held_out)[1:]
    named = [one.name for one in compared]
    pair = ("classifier" if "classifier" in named else "sequence", "sequence" if "classifier" in named else "bag")
    scored = ScoredSlices(data, label_set, slices, held_out, compared, pair)
    facts = facts_of(run.record, data) or {}
    return RunReport(
        run=run,
        task="Which kinds of intracranial hemorrhage does each slice of a head CT show?",
        method="A slice classifier, then a recurrent network over the embeddings of a series; the mean of all runs.",
        published="RSNA Intracranial Hemorrhage Detection 2019, 2nd place",
        data_set=data.folder.name,
        drawn=bool(facts.get("drawn")),
        seen=run.learned().roles_by_fold(held_out.patients, held_out.folds),
        seen_by_design="",
        levels=levels(run, scored),
        scores=read_scores(run.file("scores.csv")),
        flow=flow(data, slices, held_out),
        spreads=spreads(slices),
        counts=counts(slices),
        answers={},
    )


def bagged_runs(run: Upstream, remedy_of: RemedyOf) -> list[BaggedRun]:
    """The runs that a bag was made from, by its record."""
    found = []
    for name, made_from in run.record["inputs"].items():
        if not name.startswith(PREDICTIONS_OF):
            continue
        one = name.removeprefix(PREDICTIONS_OF)
        experiment, _, of_fold = one.rpartition(" fold ")
        fold, _, epoch = of_fold.partition(" epoch ")
        embedded = run.record["inputs"][f"embeddings {one}"]
        predictions = require(run.work, (run.work / made_from["record"]).parent, TRAIN_SEQUENCE, remedy_of)
        embeddings = require(run.work, (run.work / embedded["record"]).parent, EXTRACT, remedy_of)
        found.append(BaggedRun(experiment, fold, int(epoch), predictions, embeddings))
    return found
