"""The hemorrhage system's answers, a study at a time (the functions of `Adaptor`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hounsfield.competitions.rsna2019.answers import rule_of_run
from hounsfield.competitions.rsna2019.study_view import SliceAnswers, read_view_slices
from hounsfield.core.evaluation.domain import in_words
from hounsfield.core.evaluation.scores import read_scores
from hounsfield.core.evaluation.study_findings import RunFacts
from hounsfield.core.evaluation.study_rule import StudyRule
from hounsfield.core.evaluation.study_view import ReadPrepare
from hounsfield.core.stages.outputs import record_digest
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.hemorrhage.bagging import BagTask, find_task, means_of_models, trained_on_facts
from hounsfield.hemorrhage.commands import HemorrhageCommand, remedies
from hounsfield.hemorrhage.paths import BAG, SCORES
from hounsfield.hemorrhage.stages.predict_studies import models_of_run, predict_studies

MODELS = ("classifier", "sequence network")  # as the records of embeddings and predictions call them


def models_of(command: HemorrhageCommand) -> list[Upstream]:
    """Every classifier and sequence network of the run."""
    return models_of_run(command)


def predict_paths(command: HemorrhageCommand, paths: Sequence[str], read_prepare: ReadPrepare) -> SliceAnswers:
    """Prepare and predict what the paths hold, and open the answers."""
    return open_view(predict_studies(command, paths, read_prepare))


def open_view(command: HemorrhageCommand) -> SliceAnswers:
    """The bag of the command's data set."""
    task = find_task(command, {command.experiment: command})
    answers = require(command.work, task.folder, BAG, remedies(command))
    slices = read_view_slices(task.data, task.label_set.names)
    rule = rule_of_run(task.label_set, answers, "no study is answered")
    models, trained_on = means_of_models(task, answers, slices), trained_on_facts(task)
    words = in_words(trained_on, command.config.data_set)
    run = run_facts(command, task, answers, rule, words)
    return SliceAnswers(answers, task.data, task.label_set.names, slices, run, models, rule, trained_on)


def run_facts(
    command: HemorrhageCommand, task: BagTask, answers: Upstream, rule: StudyRule, trained_on: str
) -> RunFacts:
    """Which models have answered. trained_on: in words."""
    made_from = [one.record["inputs"] for run in task.runs for one in (run.embeddings, run.predictions)]
    used = [inputs[name] for inputs in made_from for name in MODELS if name in inputs]
    scored = answers if command.data_set == command.config.data_set else task.run
    scores = pd.DataFrame() if scored is None else read_scores(scored.file(SCORES))
    return RunFacts(
        name=f"hemorrhage/{command.experiment}",
        digest=record_digest(answers.record),
        models={str(Path(one["record"]).parent): one["sha256"] for one in used},
        trained_on=trained_on,
        scored_on=rule.scored_on,
        scores=scores.to_dict("records"),
    )
