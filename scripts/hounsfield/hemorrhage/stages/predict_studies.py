"""Studies of one's own, predicted in one process: what stages 01, 13, 14 and 15 do, one after the other (stage 17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Thread

from hounsfield.competitions.rsna2019.given_studies import check_given, on_given, prepare_options, say_names, up_to_date
from hounsfield.core.evaluation.findings import printed
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import chosen_folds
from hounsfield.core.stages.upstream import require
from hounsfield.hemorrhage.commands import HemorrhageCommand, on_training_set, remedies
from hounsfield.hemorrhage.config import extracted_epochs
from hounsfield.hemorrhage.paths import (
    PREDICT_STUDIES,
    TRAIN_CLASSIFIER,
    TRAIN_SEQUENCE,
    classifier_folder,
    sequence_folder,
)


def predict_studies(
    command: HemorrhageCommand, paths: Sequence[str], read_prepare: Callable[[Sequence[str]], HemorrhageCommand]
) -> None:
    """Predict what the paths hold, and print a line per study.

    read_prepare: reads the command line of the preparation. Raises MissingInput before any file is read where the run
    has no trained models.
    """
    given = check_given(paths, PREDICT_STUDIES)
    check_models(command)
    command = on_given(command, given)
    logger.info(say_names(command, given))
    loading = Thread(target=_load_networks, daemon=True)
    loading.start()  # it takes seconds, in which other processes read the files
    from hounsfield.hemorrhage.stages.prepare import prepare

    config = ["--config", str(command.arguments.config[-1]), *command.overrides]
    prepare(read_prepare([*config, *prepare_options(command, given)]))
    loading.join()
    from hounsfield.hemorrhage.stages.bag import make_bag
    from hounsfield.hemorrhage.stages.extract_embeddings import extract_embeddings
    from hounsfield.hemorrhage.stages.train_sequence import train_sequences

    up_to_date(extract_embeddings, command)
    up_to_date(train_sequences, command)
    task = up_to_date(lambda one: make_bag(one, {one.experiment: one}), command)
    print(printed(task.folder))


def _load_networks() -> None:
    """Import what the later stages need; an error is theirs to report."""
    from hounsfield.hemorrhage.stages import extract_embeddings, train_sequence  # noqa: F401


def check_models(command: HemorrhageCommand) -> None:
    """Raise MissingInput or StaleOutput unless every model of the run is there, with the commands that make it."""
    remedy_of = remedies(on_training_set(command))
    for fold in chosen_folds(command, command.config.prepare.fold_count, single=True):
        require(command.work, classifier_folder(command.work, command.experiment, fold), TRAIN_CLASSIFIER, remedy_of)
        for epoch in extracted_epochs(command.config):
            folder = sequence_folder(command.work, command.experiment, fold, epoch)
            require(command.work, folder, TRAIN_SEQUENCE, remedy_of)
