"""External validation: a run scored on studies of one's own with labels, none of whose patients it has seen.

N studies, 8 names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.label_table import labels_by_study, study_label_table
from hounsfield.competitions.rsna2022.labels import LABELS, NAMES
from hounsfield.competitions.rsna2022.paths import SLICES, data_folder
from hounsfield.competitions.rsna2022.submission import best_constant
from hounsfield.competitions.rsna2022.tables import open_data_set, read_studies
from hounsfield.core.counts import count_of
from hounsfield.core.errors import MissingInput, WrongTable
from hounsfield.core.evaluation.external import external_scores, without_interval, write_validation
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.evaluation.score_table import System, readable
from hounsfield.core.foreign_text import one_line
from hounsfield.core.intake.label_tables import LabelTable
from hounsfield.core.intake.pseudonyms import Naming, read_key
from hounsfield.core.intake.seen_patients import naming_of, refuse_seen
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import on_training_set
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream
from hounsfield.spine.paths import BAG, PREDICT
from hounsfield.spine.remedies import SpineCommand, remedies
from hounsfield.spine.scores import BAG as BAG_ROW
from hounsfield.spine.scores import METRIC, PRIOR, printed_gains

OF_ARCHIVES = Naming()  # how the competition's patients have pseudonyms


def read_labels(path: Path) -> LabelTable:
    """The labels of studies. Raises MissingInput or WrongTable."""
    if not path.is_file():
        raise MissingInput(
            f"{one_line(path)} is no file; --labels takes a table of StudyInstanceUID, {', '.join(NAMES)}"
        )
    return study_label_table(path.read_bytes(), str(path), any_overall=True)


def refuse_learned(
    command: SpineCommand, learned: Ledger, slices: pd.DataFrame, identifiers: pd.DataFrame, what: str
) -> None:
    """Raise WrongUse where a patient of the slices is one that was learnt from.

    slices: path and patient_id. identifiers: of their files, by path. what: has learnt, for the message.
    """
    training = on_training_set(command)
    data = open_data_set(training.work, training.data_set, remedies(training))
    known, naming = read_studies(data, ("patient_id", "study_uid")), naming_of(data.folder, "--archive", OF_ARCHIVES)
    refuse_seen(slices, identifiers, learned, naming, known, what, data_folder(command.work, command.data_set) / SLICES)


def labels_of_studies(command: SpineCommand, labels: LabelTable) -> pd.DataFrame:
    """The labels of the studies of the command's data set that have some, NAMES and patient_id by study_uid.

    Rows that fit no study and studies without a label are counted in the log. Raises WrongTable where nothing fits.
    """
    studies = read_studies(open_data_set(command.work, command.data_set, remedies(command))).set_index("study_uid")
    naming = Naming(read_key(data_folder(command.work, command.data_set) / "pseudonyms.key"))
    table = labels_by_study(labels, naming)[list(NAMES)]
    given = table.reindex(studies.index).assign(patient_id=studies["patient_id"])
    known = given[list(NAMES)].notna().any(axis=1)
    unmatched = int((~table.index.isin(studies.index)).sum())
    if not known.any():
        raise WrongTable(
            f"{labels.source}: not one of its rows with a label is of a study that is given ({len(studies)}; of "
            f"{count_of(len(table), 'rows')} {unmatched} fit none); name each by its StudyInstanceUID"
        )
    if unmatched or not known.all():
        logger.warning("%s: rows that fit no study here: %d; without a label, and not scored: %d of %d studies",
                       labels.source, unmatched, (~known).sum(), len(studies))  # fmt: skip
    return given[known]


def validate(command: SpineCommand, answers: Upstream, labels: LabelTable, given: pd.DataFrame) -> str:
    """Score the answers for the command's data set on its labelled studies; returns the table for a terminal.

    given: what `labels` says of them.
    """

    def score() -> pd.DataFrame:
        found = read_predictions(answers.file(BAG), LABELS, remedy=answers.remedy).set_index(LABELS.row)
        probabilities = found.loc[given.index, list(NAMES)].to_numpy(np.float64)
        values, patients = given[list(NAMES)].to_numpy(np.float64), given["patient_id"].to_numpy()
        return external_scores(LABELS, _systems(command, probabilities), values, patients, command.data_set, METRIC)

    def printed(table: pd.DataFrame) -> str:
        gains = "" if without_interval(table) else f"\n\n{printed_gains(table)}"
        return f"{readable(table)}{gains}"

    return write_validation(PREDICT, answers, labels.digest(), score, printed)


def _systems(command: SpineCommand, probabilities: np.ndarray) -> Iterator[System]:
    """The constant that is best for the studies trained on, and what the run answers, (n, 8)."""
    training = on_training_set(command)
    trained_on = read_studies(open_data_set(training.work, training.data_set, remedies(training)))
    labels = trained_on.loc[trained_on["split"] == "train", list(NAMES)].to_numpy(np.float64, na_value=np.nan)
    prior = np.tile(best_constant(labels), (len(probabilities), 1))
    yield System(PRIOR, "", prior, "best constant for the studies trained on", ranks=False)
    yield System(BAG_ROW, command.experiment, probabilities, "mean of all networks", over=0)
