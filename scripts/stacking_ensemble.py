"""Average the second level's three libraries into a submission, and score every step on held-out patients.

In: preds/stacking/<experiment>/ (the classifiers' tables and the second level's), data/<data set>/stacking/
<experiment>/slices.parquet, and of data/<data set>/ slices.parquet and sample_submission.csv.
Out: preds/stacking/<experiment>/ submission.csv.gz, findings.csv, scores.csv, ensemble.parquet.

Out-of-fold probabilities are those of nested early stopping. Test probabilities are those of early stopping on the
scored fold, as published: no test slice stops any model, and each learns from one fold more than a nested one.
"""

from __future__ import annotations

import pandas as pd

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import sample_submission_path
from hounsfield.competitions.rsna2019.results import FINDINGS_COLUMNS, write_findings
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.evaluation.predictions import write_predictions
from hounsfield.core.evaluation.scores import read_scores, readable, score_table, write_scores
from hounsfield.core.logs import Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Stage, parse, run, stage_parser
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.outputs import Input, Output, Provenance, output
from hounsfield.core.storage.files import file_digest
from hounsfield.stacking.boosters import PACKAGES
from hounsfield.stacking.config import DEFAULT_CONFIG, StackingConfig
from hounsfield.stacking.ensemble import open_first_level
from hounsfield.stacking.experiments import StackingCommand, open_stacking_data, remedies, stacking_folds
from hounsfield.stacking.paths import (
    AVERAGE,
    ENSEMBLE,
    FINDINGS,
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

STAGE = Stage(
    StackingConfig,
    "Average the second level into a submission and score it",
    DEFAULT_CONFIG,
    parts=("data_set", "folds", "submission"),
)


def main() -> None:
    """Average what is not averaged yet, and show the scores."""
    set_up_logging()
    parser = stage_parser(STAGE)
    parser.add_argument("--booster", nargs="+", choices=list(PACKAGES), default=None, help="these libraries alone")
    command = parse(parser, STAGE)
    work, remedy_of = command.work, remedies(command)
    folder, sample = predictions_folder(work, command.experiment), sample_submission_path(work, command.data_set)
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
                slices = read_slices(prepared, ("split", *FINDINGS_COLUMNS, *CLASSES))
                average(command, out, read_results(data, tables, runs, folds), slices)
            print(readable(read_scores(folder / SCORES)))
            print(f"\nsubmission: {folder / SUBMISSION}")


def average(command: StackingCommand, out: Output, results: Results, prepared: pd.DataFrame) -> None:
    """Score, and write submission, findings and the table of the system. prepared: the slices of the data set."""
    watch, config, held_out = Stopwatch(), command.config, results.held_out
    again = " && ".join(f"{remedies(command)(stage)} --force" for stage in (TRAIN, PREDICT, LEARN, AVERAGE))
    systems = scored_systems(command.experiment, results, config.prediction.epochs)
    folds = " ".join(map(str, out.provenance.settings["folds"]))
    table = score_table(LABELS, systems, held_out.labels, held_out.patients, folds, remedy=again)
    write_scores(out.folder / SCORES, table)
    sample = sample_submission_path(command.work, command.data_set)
    write_stacking_submission(out.folder / SUBMISSION, sample, results, prepared, config)
    findings = prepared.loc[results.is_test, list(FINDINGS_COLUMNS)]
    write_findings(out.folder / FINDINGS, findings, results.test_probabilities)
    write_predictions(out.folder / ENSEMBLE, LABELS, ensemble_frame(results))
    by_design = ensemble_by_design(results.slices)._asdict()
    names = (SUBMISSION, FINDINGS, SCORES, ENSEMBLE)
    out.finish(names, learned=ensemble_ledger(results), facts={"by_design": by_design})
    count = len(results.second_level.runs)
    summary("ensemble", count, "tables", watch.seconds, {"test slices": len(results.test_images)})


if __name__ == "__main__":
    run(main)
