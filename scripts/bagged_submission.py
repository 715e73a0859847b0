"""Average the finished predictions of several systems into one submission, and score the blend.

In: bag.parquet or ensemble.parquet in each of the folders given, data/<data set>/slices.parquet and
sample_submission.csv.
Out: preds/bags/<name>/ submission.csv.gz, findings.csv, scores.csv, weights.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import sample_submission_path
from hounsfield.competitions.rsna2019.results import FINDINGS_COLUMNS, training_prior, write_findings, write_submission
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.evaluation.blending import blend_by_others, blended, fit_weights
from hounsfield.core.evaluation.finished_runs import SystemRun, common_rows, one_data_set, probabilities, read_run
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST
from hounsfield.core.evaluation.scores import METRIC, System, read_scores, readable, score, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import REPOSITORY, check_name, run
from hounsfield.core.storage.files import file_digest, locked, write_json

TABLES = {  # what each system leaves, and the stage that makes it
    "bag.parquet": "sh bin/run_15_bagged_submission.sh",
    "ensemble.parquet": "sh bin/run_45_stacking_ensemble.sh",
}
SLICE_COLUMNS = ("image_id", "split", "path", "series", "order", "patient_id", *CLASSES)


def main() -> None:
    """Blend, submit, score."""
    set_up_logging()
    options = parse_arguments()
    watch = Stopwatch()
    runs = [read_run(Path(folder), LABELS, TABLES) for folder in options.runs]
    name = check_name(options.name or "_and_".join(one.name.replace("/", "_") for one in runs), "--name")
    if len({one.name for one in runs}) < len(runs):
        raise WrongUse("--runs: each run counts once")
    folder = options.work.resolve() / "preds" / "bags" / name
    with locked(folder):
        blend(folder, runs, options, watch)
    print(readable(read_scores(folder / "scores.csv")))
    print(f"\nsubmission: {folder / 'submission.csv.gz'}")


def parse_arguments() -> argparse.Namespace:
    """The command line. Raises WrongUse when weights and runs do not go together."""
    parser = argparse.ArgumentParser(description="Average several systems' predictions into one submission")
    parser.add_argument("--runs", nargs="+", required=True, help="folders with bag.parquet or ensemble.parquet")
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--weights", nargs="+", type=float, help="one a run (default: equal)")
    weights.add_argument("--fit-weights", action="store_true", help="fit them on out-of-fold predictions")
    parser.add_argument("--name", help="of the output folder (default: the runs' names, joined)")
    parser.add_argument("--work", type=Path, default=REPOSITORY, help="folder that holds data, checkpoints and preds")
    options = parser.parse_args()
    given = options.weights
    if given is not None and (len(given) != len(options.runs) or min(given) < 0 or not 0 < sum(given) < np.inf):
        raise WrongUse(f"--weights: give {len(options.runs)} numbers from 0 on, one a run, not all of them 0")
    return options


def blend(folder: Path, runs: list[SystemRun], options: argparse.Namespace, watch: Stopwatch) -> None:
    """Write submission, findings, scores and weights."""
    work = options.work.resolve()
    data_set = one_data_set(runs)
    slices = read_slices(work, data_set, SLICE_COLUMNS).set_index("image_id", drop=False)
    test, held_out = common_rows(runs, slices, TEST), common_rows(runs, slices, OUT_OF_FOLD)
    labels = held_out[list(CLASSES)].to_numpy(np.int8)
    patients = held_out["patient_id"].to_numpy()
    known = [probabilities(one, LABELS, held_out) for one in runs]
    weights = np.full(len(runs), 1 / len(runs))
    if options.weights is not None:
        weights = np.array(options.weights) / sum(options.weights)
    if options.fit_weights:
        if held_out.empty:
            raise BadInput("--fit-weights: the runs have no out-of-fold slices in common; give --weights")
        weights = fit_weights(LABELS, known, labels)
    mean = blended([probabilities(one, LABELS, test) for one in runs], weights)
    sample = sample_submission_path(work, data_set)
    write_submission(folder / "submission.csv.gz", sample, test["image_id"], mean, training_prior(work, data_set))
    write_findings(folder / "findings.csv", test[list(FINDINGS_COLUMNS)], mean)
    compared = systems(runs, known, labels, patients, weights, fitted=options.fit_weights)
    table = score_table(LABELS, compared if len(labels) else [], labels, patients, "of each system")
    write_scores(folder / "scores.csv", table)
    listed = {one.name: {"weight": float(w), "sha256": one.sha256} for one, w in zip(runs, weights, strict=True)}
    outputs = {name: file_digest(folder / name) for name in ("submission.csv.gz", "findings.csv", "scores.csv")}
    facts = {"data_set": data_set, "fitted": options.fit_weights, "runs": listed, "outputs": outputs}
    write_json(folder / "weights.json", facts)
    logger.info("weights: %s", ", ".join(f"{one.name} {w:.3f}" for one, w in zip(runs, weights, strict=True)))
    summary("bag of systems", len(runs), "runs", watch.seconds, {"test slices": len(test)})


def systems(
    runs: list[SystemRun],
    known: list[np.ndarray],
    labels: np.ndarray,
    patients: np.ndarray,
    weights: np.ndarray,
    *,
    fitted: bool,
) -> list[System]:
    """Each run, then the blend; fitted weights are scored on patients that they were not fitted on."""
    found = [
        System(one.name.split("/")[0], one.name.split("/")[1], p, f"{one.table.name} of {one.name}")
        for one, p in zip(runs, known, strict=True)
    ]
    best = int(np.argmin([score(LABELS, p, labels)[METRIC] or np.inf for p in known]))
    listed = ", ".join(f"{one.name} {w:.3f}" for one, w in zip(runs, weights, strict=True))
    if fitted:
        honest = blend_by_others(LABELS, known, labels, patients)
        found.append(System("blend", "", honest, "weights fitted on other patients than those scored", over=best))
    else:
        found.append(System("blend", "", blended(known, weights), f"weights {listed}", over=best))
    return found


if __name__ == "__main__":
    run(main)
