"""The mean of all runs as a submission, and every step scored on held-out patients (stage 15)."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from hounsfield.competitions.rsna2019.answers import Predicted
from hounsfield.competitions.rsna2019.labels import label_facts
from hounsfield.competitions.rsna2019.results import training_prior, write_submission
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.counts import count_of
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.held_out import held_out_rows
from hounsfield.core.evaluation.score_table import read_scores, readable, write_scores
from hounsfield.core.logs import Stopwatch, logger, show, summary
from hounsfield.core.stages.command import Stage, check_name, parse, shown, stage_parser
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import output
from hounsfield.core.stages.upstream import reading
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.hemorrhage.bagging import (
    BagTask,
    compare,
    find_task,
    provenance,
    trained_on_facts,
    write_answers,
    write_means,
)
from hounsfield.hemorrhage.config import HemorrhageConfig, extracted_epochs
from hounsfield.hemorrhage.ensemble import TABLE_COLUMNS, bag_runs, learned_by, refuse_seen_patients
from hounsfield.hemorrhage.paths import BAG, MEANS, SCORES
from hounsfield.hemorrhage.remedies import HemorrhageCommand, remedies

SUBMISSION = "submission.csv.gz"
SHOWN = (SUBMISSION, "studies.csv", "findings.csv", "out_of_fold.csv", SCORES)


def bag_and_score(command: HemorrhageCommand, stage: Stage[HemorrhageConfig]) -> None:
    """Bag what is not bagged yet, and show the scores."""
    names = command.arguments.experiments or [command.experiment]
    if len(set(names)) < len(names):
        raise WrongUse(f"--experiments {' '.join(names)}: each experiment counts once")
    task = make_bag(command, {name: command_of(name, command, stage) for name in names})
    show(readable(read_scores(task.folder / SCORES)))
    show("\n" + "\n".join(f"{name}: {task.folder / name}" for name in SHOWN if (task.folder / name).exists()))


def make_bag(command: HemorrhageCommand, commands: dict[str, HemorrhageCommand]) -> BagTask:
    """Bag the runs of some experiments, unless they are bagged. commands: by experiment."""
    task, several = find_task(command, commands), list(commands) != [command.experiment]
    remedy = command.remedy(f"{BAG}.sh", *(("--experiments", *commands) if several else ()))
    with ExitStack() as held:
        for made in (task.data, *(one for run in task.runs for one in (run.predictions, run.embeddings))):
            held.enter_context(reading(made.folder))
        out = held.enter_context(output(task.folder, provenance(task), force=command.force, remedy=remedy))
        if out.finished:
            logger.info("bag: nothing to do, %s", count_of(len(task.runs), "runs"))
        else:
            names, calibrated_by = bag(task, command)
            facts = {**label_facts(task.runs[0].predictions), "trained_on": trained_on_facts(task)}
            out.finish(names, learned=Ledger.joined([learned_by(task.runs), calibrated_by]), facts=facts)
    return task


def command_of(name: str, command: HemorrhageCommand, stage: Stage[HemorrhageConfig]) -> HemorrhageCommand:
    """The same command for one of the experiments: its data set and folds are those of --config."""
    if name == command.experiment:
        return command
    given = Path(str(command.arguments.config[-1]))
    path = given.with_name(f"{check_name(name, '--experiments')}{given.suffix}")
    argv = ["--config", str(path), "--work", str(command.work), "--apply-to", command.data_set]
    argv += ["--fold", *command.folds]
    if any(word.startswith("--data_set") for word in command.overrides):
        argv += ["--data_set", command.config.data_set]
    other = parse(stage_parser(stage), stage, argv)
    if other.config.data_set != command.config.data_set:
        trained_on = f"{other.config.data_set}, and {shown(given)} on {command.config.data_set}"
        raise WrongUse(f"{shown(path)} trains on {trained_on}; bag experiments of one data set")
    return other


def bag(task: BagTask, command: HemorrhageCommand) -> tuple[list[str], Ledger]:
    """Average, write the submission and the answers, score and calibrate.

    Returns the names of the files, and whom the calibrators have seen.
    """
    watch, trained_on = Stopwatch(), command.config.data_set
    foreign = command.data_set != trained_on  # its patients are in no fold: all of its slices are predicted as test
    label_set = task.label_set
    slices = read_slices(task.data, TABLE_COLUMNS if foreign else (*TABLE_COLUMNS, *label_set.names))
    is_test = np.full(len(slices), True) if foreign else (slices["split"] == "test").to_numpy()
    held_out = held_out_rows(label_set, slices, () if foreign else task.folds)
    refuse_seen_patients(task.runs, held_out, remedies(command))
    last_epochs = {name: max(extracted_epochs(one.config)) for name, one in task.commands.items()}
    mean = bag_runs(task.runs, last_epochs, slices["image_id"], is_test, held_out)
    other = read_slices(task.trained_on, ("split", *label_set.names)) if task.trained_on else None
    training = other if foreign else slices
    sample, images = sample_submission_path(command.work, command.data_set), slices["image_id"]
    names = [SCORES, MEANS]
    if sample.exists() or (is_test.any() and not foreign):
        prior, path = training_prior(label_set, training, trained_on), task.folder / SUBMISSION
        names += write_submission(path, label_set, sample, images[is_test], mean.test, prior)
    write_means(task.folder / MEANS, label_set, images, is_test, mean, held_out)
    write_scores(task.folder / SCORES, compare(task, command, mean, slices, held_out))
    seen = learned_by(task.runs).roles_by_fold(held_out.patients, held_out.folds)
    found = Predicted(task.data, slices, is_test, mean.test, held_out, mean.held_out, seen)
    answers, calibrated_by = write_answers(task, command, found)
    summary("bag", len(task.runs), "runs", watch.seconds, {"test slices": int(is_test.sum())})
    return [*names, *answers], calibrated_by
