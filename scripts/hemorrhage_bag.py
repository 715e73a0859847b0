"""Average the predictions of all runs into a submission, and score every step on held-out patients.

In: preds/hemorrhage/<experiment>/fold<k>_epoch<e>/, the logits beside the embeddings, and of data/<data set>/
slices.parquet and sample_submission.csv.
Out: preds/hemorrhage/<experiment>/ submission.csv.gz, findings.csv, scores.csv, bag.parquet; of several experiments in
<a>+<b>/. With --apply-to another data set, in a folder of its name below that one.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.competitions.rsna2019.paths import sample_submission_path
from hounsfield.competitions.rsna2019.results import FINDINGS_COLUMNS, training_prior, write_findings, write_submission
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.folds import ALL
from hounsfield.core.evaluation.held_out import HeldOut, held_out_rows
from hounsfield.core.evaluation.scores import empty_table, read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Stage, check_name, parse, run, shown, stage_parser
from hounsfield.core.stages.outputs import output
from hounsfield.core.stages.upstream import reading
from hounsfield.hemorrhage.bagging import BagTask, find_task, provenance, write_means
from hounsfield.hemorrhage.commands import HemorrhageCommand, remedies
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.ensemble import TABLE_COLUMNS, Bag, bag_runs, learned_by, refuse_seen_patients, systems
from hounsfield.hemorrhage.paths import BAG

SUBMISSION, FINDINGS, SCORES, MEANS = OUTPUTS = ("submission.csv.gz", "findings.csv", "scores.csv", "bag.parquet")
STAGE = Stage(
    HemorrhageConfig,
    "Average all runs into a submission and score every step",
    DEFAULT_CONFIG,
    role="applies",
    parts=("data_set", "folds"),
    single=True,
)


def main() -> None:
    """Bag what is not bagged yet, and show the scores."""
    set_up_logging()
    parser = stage_parser(STAGE)
    parser.add_argument(
        "--experiments", type=str, nargs="+", default=None, help="bag these; their YAMLs lie beside that of --config"
    )
    command = parse(parser, STAGE)
    names = command.arguments.experiments or [command.experiment]
    if len(set(names)) < len(names):
        raise WrongUse(f"--experiments {' '.join(names)}: each experiment counts once")
    task = find_task(command, {name: command_of(name, command) for name in names})
    remedy = command.remedy(f"{BAG}.sh", *(("--experiments", *names) if command.arguments.experiments else ()))
    with ExitStack() as held:
        for made in (task.data, *(one for run in task.runs for one in (run.predictions, run.embeddings))):
            held.enter_context(reading(made.folder))
        out = held.enter_context(output(task.folder, provenance(task), force=command.force, remedy=remedy))
        if out.finished:
            logger.info("bag: nothing to do, %d runs are bagged", len(task.runs))
        else:
            bag(task, command)
            out.finish(OUTPUTS, learned=learned_by(task.runs))
    print(readable(read_scores(task.folder / SCORES)))
    print(f"\nsubmission: {task.folder / SUBMISSION}")


def command_of(name: str, command: HemorrhageCommand) -> HemorrhageCommand:
    """The same command for one of the experiments: its data set and folds are those of --config."""
    if name == command.experiment:
        return command
    given = Path(str(command.arguments.config[-1]))
    path = given.with_name(f"{check_name(name, '--experiments')}{given.suffix}")
    argv = ["--config", str(path), "--work", str(command.work), "--apply-to", command.data_set]
    argv += ["--fold", *command.folds]
    if any(word.startswith("--data_set") for word in command.overrides):
        argv += ["--data_set", command.config.data_set]
    other = parse(stage_parser(STAGE), STAGE, argv)
    if other.config.data_set != command.config.data_set:
        trained_on = f"{other.config.data_set}, and {shown(given)} on {command.config.data_set}"
        raise WrongUse(f"{shown(path)} trains on {trained_on}; bag experiments of one data set")
    return other


def bag(task: BagTask, command: HemorrhageCommand) -> None:
    """Average, write the submission and the findings, and score."""
    watch, trained_on = Stopwatch(), command.config.data_set
    slices = read_slices(task.data, TABLE_COLUMNS)
    foreign = command.data_set != trained_on  # its patients are in no fold: all of its slices are predicted as test
    is_test = np.full(len(slices), True) if foreign else (slices["split"] == "test").to_numpy()
    held_out = held_out_rows(LABELS, slices, () if foreign else task.folds)
    refuse_seen_patients(task.runs, held_out, remedies(command))
    last_epochs = {name: max(extracted_epochs(one.config)) for name, one in task.commands.items()}
    mean = bag_runs(task.runs, last_epochs, slices["image_id"], is_test, held_out)
    other = read_slices(task.trained_on, ("split", *LABELS.names)) if task.trained_on else None
    training = other if foreign else slices
    sample, test = sample_submission_path(command.work, command.data_set), slices[is_test]
    write_submission(
        task.folder / SUBMISSION, sample, test["image_id"], mean.test, training_prior(training, trained_on)
    )
    write_findings(task.folder / FINDINGS, test[list(FINDINGS_COLUMNS)], mean.test)
    write_means(task.folder / MEANS, slices["image_id"], is_test, mean, held_out)
    write_scores(task.folder / SCORES, compare(task, command, mean, slices, held_out))
    summary("bag", len(task.runs), "runs", watch.seconds, {"test slices": len(test)})


def compare(
    task: BagTask, command: HemorrhageCommand, mean: Bag, slices: pd.DataFrame, held_out: HeldOut
) -> pd.DataFrame:
    """The score table; empty, with the reason logged, where no slice is out of fold."""
    if not len(held_out.rows):
        reason = f"fold {ALL} has learnt from every patient" if ALL in task.folds else "no labelled slice is held out"
        if command.data_set != command.config.data_set:
            reason = f"{command.data_set} is not the data set trained on ({command.config.data_set})"
        logger.info("bag: nothing is scored, since %s; %s has only its header", reason, task.folder / SCORES)
        return empty_table(LABELS)
    compared = systems(task.runs, mean, slices, held_out)
    return score_table(LABELS, compared, held_out.labels, held_out.patients, " ".join(task.folds))


if __name__ == "__main__":
    run(main)
