"""Studies of one's own, answered in one process: what stages 51, 52 and 56 do, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from hounsfield.competitions.rsna2022.source import INTAKE
from hounsfield.competitions.rsna2022.tables import TEST_FOLD, open_data_set, read_slices
from hounsfield.core.intake.given_studies import (
    check_given,
    own_identifiers,
    prepare_given,
    prepare_options,
    up_to_date,
)
from hounsfield.core.logs import show
from hounsfield.spine.curves import curve_networks
from hounsfield.spine.ensemble import answering
from hounsfield.spine.findings import write_identified
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
    given = check_given(paths, STAGE)
    networks_by_fold(command, pd.DataFrame({"fold": [TEST_FOLD]}))
    answering(command)
    curve_networks(command)

    def prepare_them(command: SpineCommand, given: Sequence[Path]) -> None:
        config = ["--config", str(command.arguments.config[-1]), *command.overrides]
        prepare(read_prepare([*config, *prepare_options(command, given, INTAKE)]))

    command = prepare_given(command, given, INTAKE, prepare_them)
    up_to_date(make_boxes, command)
    folder = up_to_date(predict_data_set, command)
    if command.arguments.show_identifiers:
        data = open_data_set(command.work, command.data_set, remedies(command))
        slices = read_slices(data, ("study_uid", "path"))
        show(f"with identifiers: {write_identified(folder, slices, own_identifiers(given, slices))}")
    return command
