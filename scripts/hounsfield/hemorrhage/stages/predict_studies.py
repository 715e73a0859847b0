"""Studies of one's own, predicted in one process: what stages 01, 13, 14 and 15 do, one after the other (stage 17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hounsfield.competitions.rsna2019.predict_given import Predicted, Steps, predict_given
from hounsfield.competitions.rsna2019.source import INTAKE
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.intake.given_studies import prepare_options, settings_of_given, up_to_date
from hounsfield.core.stages.command import chosen_folds, on_training_set
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.hemorrhage.config import extracted_epochs
from hounsfield.hemorrhage.paths import BAG, TRAIN_CLASSIFIER, TRAIN_SEQUENCE, classifier_folder, sequence_folder
from hounsfield.hemorrhage.remedies import HemorrhageCommand, remedies
from hounsfield.hemorrhage.stages.prepare import prepare


def predict_studies(
    command: HemorrhageCommand, paths: Sequence[str], read_prepare: Callable[[Sequence[str]], HemorrhageCommand]
) -> HemorrhageCommand:
    """Predict what the paths hold, and print a line per study. Returns the command for their data set.

    read_prepare: reads the command line of the preparation.
    """

    def prepare_given(command: HemorrhageCommand, given: Sequence[Path]) -> None:
        config = ["--config", str(command.arguments.config[-1]), *command.overrides]
        prepare(read_prepare([*config, *prepare_options(command, given, INTAKE)]))

    steps = Steps(
        models_of, prepare_given, settings_of_given(command.config.prepare), _load_networks, predict_prepared, remedies
    )
    return predict_given(command, paths, steps)


def _load_networks() -> None:
    """Import what the later stages need; an error is theirs to report."""
    from hounsfield.hemorrhage.stages import extract_embeddings, train_sequence  # noqa: F401


def models_of(command: HemorrhageCommand) -> list[Upstream]:
    """Every model of the run. Raises MissingInput or StaleOutput where one is not there, with the commands."""
    remedy_of, work, experiment = remedies(on_training_set(command)), command.work, command.experiment
    found = []
    for fold in chosen_folds(command, command.config.prepare.fold_count, single=True):
        found.append(require(work, classifier_folder(work, experiment, fold), TRAIN_CLASSIFIER, remedy_of))
        for epoch in extracted_epochs(command.config):
            folder = sequence_folder(work, experiment, fold, epoch)
            found.append(require(work, folder, TRAIN_SEQUENCE, remedy_of))
    return found


def predict_prepared(command: HemorrhageCommand) -> Predicted:
    """Embeddings, sequences and the bag of the prepared studies."""
    from hounsfield.hemorrhage.bagging import means_of_models
    from hounsfield.hemorrhage.stages.bag import make_bag
    from hounsfield.hemorrhage.stages.extract_embeddings import extract_embeddings
    from hounsfield.hemorrhage.stages.train_sequence import train_sequences

    up_to_date(extract_embeddings, command)
    up_to_date(train_sequences, command)
    task = up_to_date(lambda one: make_bag(one, {one.experiment: one}), command)
    answers = require(command.work, task.folder, BAG, remedies(command))
    slices = read_slices(task.data, ("image_id", "fold"))
    scores = None if task.run is None else read_scores(task.run.file("scores.csv"))
    return Predicted(answers, task.label_set, means_of_models(task, answers, slices), scores)
