"""The mean of the second level's libraries as a submission, and every step scored (stage 45).

Out-of-fold probabilities are those of nested early stopping. Test probabilities are those of early stopping on the
scored fold, as published: no test slice stops any model, and each learns from one fold more than a nested one.
"""

from __future__ import annotations

from pathlib import Path

from hounsfield.competitions.rsna2019.answers import ANSWER_COLUMNS
from hounsfield.competitions.rsna2019.domain import DOMAIN_COLUMNS
from hounsfield.competitions.rsna2019.labels import label_facts
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.evaluation.by_study import as_labelled
from hounsfield.core.evaluation.predictions import write_predictions
from hounsfield.core.evaluation.score_table import read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, show, summary
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Input, Output, Provenance, output
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import file_digest
from hounsfield.stacking.answers import write_answers
from hounsfield.stacking.ensemble import open_first_level
from hounsfield.stacking.experiments import StackingCommand, open_stacking_data, remedies, stacking_folds
from hounsfield.stacking.paths import (
    AVERAGE,
    ENSEMBLE,
    LEARN,
    PREDICT,
    SCORES,
    SUBMISSION,
    TRAIN,
    predictions_folder,
)
from hounsfield.stacking.results import Results, ensemble_frame, ensemble_ledger, read_results
from hounsfield.stacking.scores import ensemble_by_design, scored_systems
from hounsfield.stacking.second_level_tables import open_second_level
from hounsfield.stacking.submission import write_stacking_submission

SHOWN = (SUBMISSION, "studies.csv", "findings.csv", "out_of_fold.csv", "scores.csv")
PREPARED_COLUMNS = tuple(dict.fromkeys((*ANSWER_COLUMNS, *DOMAIN_COLUMNS, "split", "fold", "patient_id")))  # and labels


def average_boosters(command: StackingCommand) -> None:
    """Average what is not averaged yet, and show the scores."""
    folder = make_ensemble(command)
    show(readable(read_scores(folder / SCORES)))
    show("\n" + "\n".join(f"{name}: {folder / name}" for name in SHOWN if (folder / name).exists()))


def make_ensemble(command: StackingCommand) -> Path:
    """Average what is not averaged yet; returns the folder."""
    work, remedy_of = command.work, remedies(command)
    folder = predictions_folder(work, command.experiment, applied_to(command))
    sample = sample_submission_path(work, command.data_set)
    with open_stacking_data(command, AVERAGE) as data:
        folds, prepared = stacking_folds(command, data), open_data_set(work, command.data_set, remedy_of)
        tables, runs = open_first_level(command, data, folds), open_second_level(command, folds)
        inputs = {"data set": prepared.as_input(), "stacking data": data.as_input()}
        inputs |= {one.name: one.output.as_input() for one in tables}
        inputs |= {one.name: one.output.as_input() for one in runs}
        if sample.exists():
            inputs["sample submission"] = Input(file_digest(sample))
        boosters = list(dict.fromkeys(one.run.booster for one in runs))
        settings = {"folds": folds, "boosters": boosters, "submission": plain(command.config.submission)}
        provenance = Provenance(AVERAGE, settings, inputs)
        with output(folder, provenance, force=command.force, remedy=remedy_of(AVERAGE)) as out:
            if out.finished:
                logger.info("ensemble: nothing to do, %d tables are averaged", len(runs))
            else:
                average(command, out, read_results(data, tables, runs, folds), prepared, data)
    return folder


def average(command: StackingCommand, out: Output, results: Results, data_set: Upstream, data: Upstream) -> None:
    """Score, and write submission, answers and the table of the system. data: the stacking slices of the data set."""
    watch, config, held_out = Stopwatch(), command.config, results.held_out
    own = not applied_to(command)
    prepared = read_slices(data_set, (*PREPARED_COLUMNS, *(results.label_set.names if own else ())))
    facts = data.record["facts"].get("trained_on")
    again = " && ".join(f"{remedies(command)(stage)} --force" for stage in (TRAIN, PREDICT, LEARN, AVERAGE))
    epochs = config.prediction.epochs
    systems = scored_systems(command.experiment, results, epochs) if len(held_out.rows) else []
    folds = " ".join(map(str, out.provenance.settings["folds"]))
    rows = prepared.iloc[held_out.rows]
    scored = as_labelled(results.label_set, systems, held_out.labels, held_out.patients, rows)
    table = score_table(*scored, folds, remedy=again)
    write_scores(out.folder / SCORES, table)
    sample = sample_submission_path(command.work, command.data_set)
    names = [SCORES, ENSEMBLE]
    if len(results.test_images) and own:
        names += write_stacking_submission(out.folder / SUBMISSION, sample, results, prepared, config)
    answers, calibrated_by = write_answers(out.folder, results, prepared, data_set, facts, config.data_set, again)
    write_predictions(out.folder / ENSEMBLE, results.label_set, ensemble_frame(results))
    noted = {"by_design": ensemble_by_design(results.slices)._asdict(), "trained_on": facts, **label_facts(data)}
    out.finish([*names, *answers], learned=Ledger.joined([ensemble_ledger(results), calibrated_by]), facts=noted)
    count = len(results.second_level.runs)
    summary("ensemble", count, "tables", watch.seconds, {"test slices": len(results.test_images)})
