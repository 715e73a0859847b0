"""Films of one's own, predicted in one process: what stages 61, 63 and 65 do, one after the other (stage 71)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hounsfield.competitions.siim2019.own_labels import read_own_labels
from hounsfield.competitions.siim2019.source import INTAKE
from hounsfield.core.errors import WrongUse
from hounsfield.core.intake.given_studies import (
    check_given,
    prepare_given,
    prepare_options,
    settings_of_given,
    up_to_date,
)
from hounsfield.core.logs import show
from hounsfield.core.stages.command import applied_to, on_training_set
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.pneumothorax.checkpoints import mapped_part
from hounsfield.pneumothorax.external import labelled_films, refuse_learned, validate
from hounsfield.pneumothorax.paths import SUBMIT, TRAIN, part_folder, predictions_folder
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, configured_folds, remedies
from hounsfield.pneumothorax.stages.maps import make_maps
from hounsfield.pneumothorax.stages.own_films import rule_for
from hounsfield.pneumothorax.stages.prepare import prepare
from hounsfield.pneumothorax.stages.submit import submit_films

STAGE = "run_71_predict_study"


def predict_films(
    command: PneumothoraxCommand, paths: Sequence[str], read_prepare: Callable[[Sequence[str]], PneumothoraxCommand]
) -> PneumothoraxCommand:
    """Predict what the paths hold, and print a line per film. Returns the command for their data set.

    read_prepare: reads the command line of the preparation. Raises MissingInput before any file is read where the run
    has no trained networks, or no rule.
    """
    given, networks = check_given(paths, STAGE), models_of(command)
    labels = read_own_labels(Path(command.arguments.labels)) if command.arguments.labels else None
    rule_for(command, configured_folds(command))
    size = networks[0].record["inputs"]["data set"]["settings"]["image_size"]
    settings = settings_of_given(command.config.prepare) | {"image_size": size}

    def prepare_films(command: PneumothoraxCommand, given: Sequence[Path]) -> None:
        config = ["--config", str(command.arguments.config[-1]), "--prepare.image_size", str(size)]
        prepare(read_prepare([*config, *prepare_options(command, given, INTAKE)]))

    command = prepare_given(command, given, INTAKE, prepare_films, settings)
    known = None
    if labels is not None:  # before the networks: a wrong table need not wait for them
        known = labelled_films(command, given, labels)
        learned = Ledger.joined([one.learned() for one in networks])
        refuse_learned(command, learned, known.films, given, command.experiment)
    for step in (make_maps, submit_films):
        up_to_date(step, command)
    if labels is not None and known is not None:
        folder = predictions_folder(command.work, command.experiment, applied_to(command))
        answers = require(command.work, folder, SUBMIT, remedies(command))
        what = f"the rule or calibration of {command.experiment}"
        refuse_learned(command, answers.learned(), known.films, given, what)
        show(f"\n{validate(command, answers, labels, known)}")
    return command


def models_of(command: PneumothoraxCommand) -> list[Upstream]:
    """The trained part of every fold. Raises MissingInput or StaleOutput where one is not there, with the commands."""
    if command.config.blend:
        raise WrongUse(
            f"{command.experiment} is a blend: prepare the films with stage 61, then give --apply-to to stage 63 of "
            "each of its experiments and of the blend, and to stage 65"
        )
    part, remedy_of = mapped_part(command.config), remedies(on_training_set(command))
    folders = [part_folder(command.work, command.experiment, fold, part) for fold in configured_folds(command)]
    return [require(command.work, folder, TRAIN, remedy_of) for folder in folders]
