"""Average the finished predictions of several systems into one submission, and score the blend.

In: bag.parquet or ensemble.parquet in each of the folders given, data/<data set>/slices.parquet and
sample_submission.csv.
Out: preds/bags/<name>/ submission.csv.gz, findings.csv, scores.csv.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from hounsfield.competitions.rsna2019.answers import ANSWER_COLUMNS, write_blend
from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.competitions.rsna2019.paths import sample_submission_path
from hounsfield.competitions.rsna2019.results import training_prior, write_submission
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.evaluation import finished_runs
from hounsfield.core.evaluation.blending import blended, fit_weights
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST
from hounsfield.core.evaluation.scores import read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import REPOSITORY, check_name, command_line, remedy_of_run, run, shown
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Output, Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.storage.files import file_digest
from hounsfield.hemorrhage.paths import BAG
from hounsfield.stacking.paths import AVERAGE
from hounsfield.stacking.tables import folds_of_run

STAGE = "run_46_bag_of_systems"
TABLES = {BAG: "bag.parquet", AVERAGE: "ensemble.parquet"}  # what each system leaves
DEFAULT_RUNS = ("preds/hemorrhage/crop", "preds/stacking/se_resnext")


def main() -> None:
    """Blend, submit, score."""
    set_up_logging()
    options = parse_arguments()
    work = Path(options.work).resolve()
    folders = [Path(one) if Path(one).exists() else work / one for one in options.runs]
    runs = [finished_runs.read_run(work, folder, label_set_of, TABLES, remedy_of_run) for folder in folders]
    if len({one.name for one in runs}) < len(runs):
        raise WrongUse("--runs: each run counts once")
    name = options.name or "_and_".join(one.name.replace("/", "_").replace("+", "_") for one in runs)
    folder = work / "preds" / "bags" / check_name(name, "--name")
    data = open_data_set(
        work, finished_runs.one_data_set(runs), lambda stage: remedy_of_run(stage, runs[0].output.folder)
    )
    sample = sample_submission_path(work, data.folder.name)
    inputs = {"data set": data.as_input(), **{one.name: one.output.as_input() for one in runs}}
    if sample.exists():
        inputs["sample submission"] = Input(file_digest(sample))
    settings = {"weights": options.weights, "fitted": options.fit_weights, "runs": [one.name for one in runs]}
    remedy = command_line(f"{STAGE}.sh", {"WORK": shown(work)}, *sys.argv[1:]).removesuffix(" --force")
    claim = output(folder, Provenance(STAGE, settings, inputs), force=options.force, remedy=remedy)
    with reading(data.folder), claim as out:
        if out.finished:
            logger.info("bag of systems: nothing to do, %d runs are blended", len(runs))
        else:
            blend(out, runs, data, options)
    print(readable(read_scores(folder / "scores.csv")))
    print(f"\nsubmission and findings: {folder}")


def parse_arguments() -> argparse.Namespace:
    """The command line. Raises WrongUse when weights and runs do not go together."""
    parser = argparse.ArgumentParser(description="Average several systems' predictions into one submission")
    parser.add_argument("--runs", nargs="+", default=DEFAULT_RUNS, help="folders with bag.parquet or ensemble.parquet")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--weights", nargs="+", type=float, help="one for each run (default: equal)")
    weights.add_argument("--fit-weights", action="store_true", help="fit them on out-of-fold predictions")
    parser.add_argument("--name", help="of the output folder (default: the runs' names, joined)")
    parser.add_argument("--work", default=os.environ.get("WORK") or REPOSITORY, help="holds data and preds")
    parser.add_argument("--force", action="store_true", help="replace a blend that was made from something else")
    options = parser.parse_args()
    given, count = options.weights, len(options.runs)
    if given and (len(given) != count or min(given) < 0 or not 0 < sum(given) < np.inf):
        raise WrongUse(f"--weights: give {count} numbers from 0 on, one for each run, not all of them 0")
    return options


def blend(out: Output, runs: list[finished_runs.SystemRun], data: Upstream, options: argparse.Namespace) -> None:
    """Write submission, findings and scores."""
    watch, label_set = Stopwatch(), runs[0].label_set
    slices = read_slices(data, ("split", "fold", "patient_id", *ANSWER_COLUMNS, *label_set.names))
    indexed = slices.set_index("image_id", drop=False)
    test, held_out = (finished_runs.common_rows(runs, indexed, split) for split in (TEST, OUT_OF_FOLD))
    labels = held_out[list(label_set.names)].to_numpy(np.int8)
    known = [finished_runs.probabilities(one, label_set, held_out) for one in runs]
    weights = np.full(len(runs), 1 / len(runs))
    if options.weights is not None:
        weights = np.array(options.weights) / sum(options.weights)
    if options.fit_weights:
        if held_out.empty:
            raise BadInput("--fit-weights: the runs have no out-of-fold slices in common; give --weights")
        weights = fit_weights(label_set, known, labels)
    patients, folds = held_out["patient_id"].to_numpy(), [folds_of_run(one.output, held_out) for one in runs]
    compared, fitted = [], options.fit_weights
    if len(labels):
        compared = finished_runs.compare_runs(label_set, runs, known, labels, patients, folds, weights, fitted=fitted)
    again = " && ".join(dict.fromkeys(f"{one.output.remedy} --force" for one in runs))
    table = score_table(label_set, compared, labels, patients, "of each system", remedy=again)
    write_scores(out.folder / "scores.csv", table)
    mean = blended([finished_runs.probabilities(one, label_set, test) for one in runs], weights)
    names = ["scores.csv"]
    if len(test):
        sample = sample_submission_path(out.folder.parents[2], data.folder.name)
        prior, path = training_prior(label_set, slices, data.folder.name), out.folder / "submission.csv.gz"
        names += write_submission(path, label_set, sample, test["image_id"], mean, prior)
    facts = [one.output.record["facts"].get("trained_on") for one in runs]
    blend_of = next((one for one in compared if one.name == "blend"), None)
    names += write_blend(out.folder, label_set, data, slices, (test, mean), held_out, blend_of, facts)
    fitted_on = [Ledger.of(data.folder.name, held_out["patient_id"])] if options.fit_weights else []
    learned = Ledger.joined([*fitted_on, *(one.output.learned().upstream_of() for one in runs)])
    shares = {one.name: float(weight) for one, weight in zip(runs, weights, strict=True)}
    out.finish(names, learned=learned, facts={"weights": shares, **label_facts(runs[0].output)})
    logger.info("weights: %s", ", ".join(f"{name} {weight:.3f}" for name, weight in shares.items()))
    summary("bag of systems", len(runs), "runs", watch.seconds, {"test slices": len(test)})


if __name__ == "__main__":
    run(main)
