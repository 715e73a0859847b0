"""Studies of one's own, answered in one process: what stages 51, 52 and 56 do, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from hounsfield.competitions.rsna2022.source import INTAKE
from hounsfield.competitions.rsna2022.tables import TEST_FOLD, open_data_set, read_slices, read_studies
from hounsfield.core.intake.given_studies import (
    check_given,
    own_identifiers,
    prepare_given,
    prepare_options,
    settings_of_given,
    up_to_date,
)
from hounsfield.core.logs import show
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import require
from hounsfield.spine.curves import curve_networks
from hounsfield.spine.ensemble import answering
from hounsfield.spine.external import labels_of_studies, read_labels, refuse_learned, validate
from hounsfield.spine.findings import write_identified
from hounsfield.spine.paths import PREDICT
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.stages.boxes import make_boxes, networks_by_fold
from hounsfield.spine.stages.predict import predict_data_set
from hounsfield.spine.stages.prepare import prepare

STAGE = "run_71_predict_study"


def predict_given_studies(
    command: SpineCommand, paths: Sequence[str], read_prepare: Callable[[Sequence[str]], SpineCommand]
) -> SpineCommand:
    """Answer for what the paths hold, and print a line per study. Returns the command for their data set.

    read_prepare: reads the command line of the preparation. Raises MissingInput before any file is read where the run
    has no trained networks.
    """
    given, arguments = check_given(paths, STAGE), command.arguments
    labels = read_labels(Path(arguments.labels)) if arguments.labels else None
    networks_by_fold(command, pd.DataFrame({"fold": [TEST_FOLD]}))
    learned = Ledger.joined([member.output.learned() for member in answering(command)])
    curve_networks(command)

    def prepare_them(command: SpineCommand, given: Sequence[Path]) -> None:
        config = ["--config", str(command.arguments.config[-1]), *command.overrides]
        prepare(read_prepare([*config, *prepare_options(command, given, INTAKE)]))

    command = prepare_given(command, given, INTAKE, prepare_them, settings_of_given(command.config.prepare))
    slices = slices_of_patients(command)
    identifiers = own_identifiers(given, slices) if labels is not None or arguments.show_identifiers else None
    known = None
    if labels is not None and identifiers is not None:
        known = labels_of_studies(command, labels)  # before the networks: a wrong table need not wait for them
        refuse_learned(command, learned, slices, identifiers, command.experiment)
    up_to_date(make_boxes, command)
    folder = up_to_date(predict_data_set, command)
    if identifiers is not None and arguments.show_identifiers:
        show(f"with identifiers: {write_identified(folder, slices, identifiers)}")
    if labels is not None and identifiers is not None and known is not None:
        answers = require(command.work, folder, PREDICT, remedies(command))
        what = f"the calibration of {command.experiment}"
        refuse_learned(command, answers.learned(), slices, identifiers, what)
        show(f"\n{validate(command, answers, labels, known)}")
    return command


def slices_of_patients(command: SpineCommand) -> pd.DataFrame:
    """study_uid, path and patient_id of the slices of the command's data set."""
    data = open_data_set(command.work, command.data_set, remedies(command))
    studies = read_studies(data, ("study_uid", "patient_id"))
    return read_slices(data, ("study_uid", "path")).merge(studies, on="study_uid", validate="many_to_one")
