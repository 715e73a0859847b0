"""The mean of several systems' finished predictions as one submission, and the score of each and of the blend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.answers import ANSWER_COLUMNS, write_blend
from hounsfield.competitions.rsna2019.labels import label_facts, label_set_of
from hounsfield.competitions.rsna2019.results import training_prior, write_submission
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.counts import count_of
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.evaluation import finished_runs
from hounsfield.core.evaluation.blending import blended, fit_weights
from hounsfield.core.evaluation.by_study import as_labelled
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST
from hounsfield.core.evaluation.score_table import read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, show, summary
from hounsfield.core.stages.command import check_name
from hounsfield.core.stages.kept_configs import remedy_of_run
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Output, Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import file_digest

STAGE = "run_46_bag_of_systems"
FoldsOfRun = Callable[[Upstream, pd.DataFrame], np.ndarray]  # a run, labelled slices (n rows) -> (n,) its folds


def bag_systems(
    work: Path,
    runs_in: Sequence[str],
    tables: Mapping[str, str],
    folds_of_run: FoldsOfRun,
    *,
    name: str | None,
    weights: Sequence[float] | None,
    fitted: bool,
    force: bool,
    remedy: str,
) -> None:
    """Blend the runs in some folders, submit, score, and show the scores.

    tables: by stage, the file that it leaves. weights: one for each run; equal when None. fitted: fit them on
    out-of-fold predictions. name: of the output folder, by default the runs' names, joined.
    """
    folders = [Path(one) if Path(one).exists() else work / one for one in runs_in]
    runs = [finished_runs.read_run(work, folder, label_set_of, tables, remedy_of_run) for folder in folders]
    if len({one.name for one in runs}) < len(runs):
        raise WrongUse("--runs: each run counts once")
    name = name or "_and_".join(one.name.replace("/", "_").replace("+", "_") for one in runs)
    folder = work / "preds" / "bags" / check_name(name, "--name")
    data = open_data_set(
        work, finished_runs.one_data_set(runs), lambda stage: remedy_of_run(stage, runs[0].output.folder)
    )
    sample = sample_submission_path(work, data.folder.name)
    inputs = {"data set": data.as_input(), **{one.name: one.output.as_input() for one in runs}}
    if sample.exists():
        inputs["sample submission"] = Input(file_digest(sample))
    settings = {"weights": weights, "fitted": fitted, "runs": [one.name for one in runs]}
    claim = output(folder, Provenance(STAGE, settings, inputs), force=force, remedy=remedy)
    with reading(data.folder), claim as out:
        if out.finished:
            logger.info("bag of systems: nothing to do, %s", count_of(len(runs), "runs"))
        else:
            blend(out, runs, data, folds_of_run, weights, fitted=fitted)
    show(readable(read_scores(folder / "scores.csv")))
    show(f"\nsubmission and findings: {folder}")


def blend(
    out: Output,
    runs: list[finished_runs.SystemRun],
    data: Upstream,
    folds_of_run: FoldsOfRun,
    given: Sequence[float] | None,
    *,
    fitted: bool,
) -> None:
    """Write submission, findings and scores."""
    watch, label_set = Stopwatch(), runs[0].label_set
    slices = read_slices(data, ("split", "fold", "patient_id", *ANSWER_COLUMNS, *label_set.names))
    indexed = slices.set_index("image_id", drop=False)
    test, held_out = (finished_runs.common_rows(runs, indexed, split) for split in (TEST, OUT_OF_FOLD))
    labels = held_out[list(label_set.names)].to_numpy(np.float64, na_value=np.nan)
    known = [finished_runs.probabilities(one, label_set, held_out) for one in runs]
    weights = np.full(len(runs), 1 / len(runs))
    if given is not None:
        weights = np.array(given) / sum(given)
    if fitted:
        if held_out.empty:
            raise BadInput("--fit-weights: the runs have no out-of-fold slices in common; give --weights")
        weights = fit_weights(label_set, known, labels)
    patients, folds = held_out["patient_id"].to_numpy(), [folds_of_run(one.output, held_out) for one in runs]
    compared = []
    if len(labels):
        compared = finished_runs.compare_runs(label_set, runs, known, labels, patients, folds, weights, fitted=fitted)
    again = " && ".join(dict.fromkeys(f"{one.output.remedy} --force" for one in runs))
    scored = as_labelled(label_set, compared, labels, patients, held_out)
    table = score_table(*scored, "of each system", remedy=again)
    write_scores(out.folder / "scores.csv", table)
    mean = blended([finished_runs.probabilities(one, label_set, test) for one in runs], weights)
    names = ["scores.csv"]
    if len(test):
        sample = sample_submission_path(out.folder.parents[2], data.folder.name)
        prior, path = training_prior(label_set, slices, data.folder.name), out.folder / "submission.csv.gz"
        names += write_submission(path, label_set, sample, test["image_id"], mean, prior)
    facts = [one.output.record["facts"].get("trained_on") for one in runs]
    blend_of = next((one for one in compared if one.name == "blend"), None)
    answers, calibrated_by = write_blend(
        out.folder, label_set, data, slices, (test, mean), held_out, blend_of, facts, again
    )
    fitted_on = [Ledger.of(data.folder.name, held_out["patient_id"])] if fitted else []
    learned = Ledger.joined([*fitted_on, *(one.output.learned().upstream_of() for one in runs), calibrated_by])
    shares = {one.name: float(weight) for one, weight in zip(runs, weights, strict=True)}
    out.finish([*names, *answers], learned=learned, facts={"weights": shares, **label_facts(runs[0].output)})
    logger.info("weights: %s", ", ".join(f"{name} {weight:.3f}" for name, weight in shares.items()))
    summary("bag of systems", len(runs), "runs", watch.seconds, {"test slices": len(test)})
