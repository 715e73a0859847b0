"""What a finished run of this system says of itself, for the report."""

from __future__ import annotations

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.report_data import REPORT_COLUMNS, ScoredSlices, report_of_slices, told_apart
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.counts import count_of
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.domain import facts_of
from hounsfield.core.evaluation.held_out import held_out_rows
from hounsfield.core.evaluation.run_report import NOTHING_HELD_OUT, RunReport
from hounsfield.core.stages.finished import input_of, inputs_named, member_of
from hounsfield.core.stages.upstream import RemedyOf, Upstream
from hounsfield.hemorrhage.ensemble import BaggedRun, bag_runs, systems


def report_facts(run: Upstream, remedy_of: RemedyOf) -> RunReport:
    """Read a bag and what it was made from. Raises WrongUse where it holds nothing that is out of fold."""
    data = input_of(run, "data set", remedy_of)
    settings, label_set = run.record["settings"], label_set_of(run)
    slices = read_slices(data, (*REPORT_COLUMNS, *label_set.names))
    own = settings["data_set"] == settings["trained_on"]
    held_out = held_out_rows(label_set, slices, settings["folds"] if own else ())
    if not len(held_out.rows):
        raise WrongUse(f"{run.folder} {NOTHING_HELD_OUT}")
    runs = bagged_runs(run, remedy_of)
    last = {one.experiment: max(other.epoch for other in runs if other.experiment == one.experiment) for one in runs}
    is_test = (slices["split"] == "test").to_numpy()
    bag = bag_runs(runs, last, slices["image_id"], is_test, held_out)
    _, *compared = told_apart(systems(runs, bag, slices, held_out))
    first = compared[0].name
    pair = (first, "bag") if first.startswith("sequence") else (first, compared[2].name)
    scored = ScoredSlices(data, label_set, slices, held_out, compared, pair)
    facts = facts_of(run.record, data) or {}
    return report_of_slices(
        run,
        scored,
        method="A slice classifier, then a recurrent network over the embeddings of a series; the mean of all runs.",
        published="RSNA Intracranial Hemorrhage Detection 2019, 2nd place",
        drawn=bool(facts.get("drawn")),
        seen_by_design="",
        answers={
            "selection": "no epoch is chosen by its score; all configured classifier epochs are used",
            "combined": f"mean of {count_of(len(runs), 'runs')}; a scored slice has those of the fold that holds its "
            "patient out",
        },
    )


def bagged_runs(run: Upstream, remedy_of: RemedyOf) -> list[BaggedRun]:
    """The runs that a bag was made from, by its record."""
    embeddings = inputs_named(run, "embeddings ", remedy_of)
    found = []
    for name, predictions in inputs_named(run, "predictions ", remedy_of).items():
        experiment, fold, epoch = member_of(name, "fold", "epoch")
        found.append(BaggedRun(experiment, fold, int(epoch), predictions, embeddings[name]))
    return found
