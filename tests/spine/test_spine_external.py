"""A run scored on labelled studies of one's own, none of whose patients it has learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from spine_runs import CONFIG, NAME

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES, OVERALL
from hounsfield.competitions.rsna2022.paths import data_folder
from hounsfield.core.errors import MissingInput, WrongTable, WrongUse
from hounsfield.core.evaluation.external import VALIDATION
from hounsfield.core.evaluation.predictions import TEST, prediction_table, write_predictions
from hounsfield.core.evaluation.score_table import LEAKS_HEADING
from hounsfield.core.intake.pseudonyms import Naming, read_key
from hounsfield.core.stages.command import parse, stage_parser
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.spine.external import labels_of_studies, read_labels, refuse_learned, validate
from hounsfield.spine.paths import BAG, PREDICT
from hounsfield.spine.remedies import SpineCommand
from neck_files import fractured, labels_csv
from programs import load_program
from spine.made_data import DATA_SET, made_necks

OWN = "ward"
STUDIES = ("1.2.840.1", "1.2.840.2", "1.2.840.3")


def command_in(work: Path) -> SpineCommand:
    stage = load_program("spine_predict").STAGE
    (work / f"{NAME}.yaml").write_text(CONFIG)
    given = ["--config", str(work / f"{NAME}.yaml"), "--work", str(work), "--apply-to", OWN]
    return parse(stage_parser(stage), stage, given)


@pytest.fixture
def command(tmp_path: Path) -> SpineCommand:
    """Six studies that were trained on, and three of one's own under pseudonyms of another key."""
    made_necks(tmp_path)
    made_necks(tmp_path, train=0, test=len(STUDIES), data_set=OWN)
    return command_in(tmp_path)


def answered(command: SpineCommand, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """Answers that are right of the first study and the second, whose pseudonyms the table of studies has."""
    naming = Naming(read_key(data_folder(command.work, OWN) / "pseudonyms.key"))
    names = [naming.pseudonym(one) for one in STUDIES]
    table = pd.DataFrame({"study_uid": names, "patient_id": names, "split": "test"})
    own = pd.DataFrame({"study_uid": ["1"], "split": "train"}).assign(**dict.fromkeys(NAMES, 0.5))
    monkeypatch.setattr(
        "hounsfield.spine.external.read_studies", lambda data: table if data.folder.name == OWN else own
    )
    values = np.full((len(STUDIES), len(NAMES)), 0.1)
    values[0, [0, 4]] = 0.9  # any, and C4
    folder = command.work / "preds" / "answers"
    with output(folder, Provenance(PREDICT, {}, {}), force=True, remedy="") as out:
        rows = prediction_table(LABELS, np.array(names), np.full(len(names), TEST), values)
        write_predictions(folder / BAG, LABELS, rows)
        out.finish([BAG])
    return require(command.work, folder, PREDICT, lambda stage, *_: stage)


def test_labelled_studies_are_scored_beside_the_constant_of_the_training_set_and_others_do_not_count(
    command: SpineCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(labels_csv({STUDIES[0]: fractured("C4"), STUDIES[1]: fractured(), "9.9": fractured()}))
    answers = answered(command, monkeypatch)
    table = read_labels(labels)
    said = validate(command, answers, table, labels_of_studies(command, table))
    assert caplog.text.count("no positive row") == 1  # the table is read once
    table = pd.read_csv(answers.folder / "validation" / VALIDATION).set_index("system")
    assert table["studies"].tolist() == [2, 2]
    assert table["folds"].tolist() == [f"external: {OWN}"] * 2
    assert table.loc["bag", "study_loss"] == pytest.approx(-np.log(0.9))  # every value is 0.1 from its label
    assert table.loc["prior", "study_loss"] == pytest.approx(-np.log(0.5))
    assert table.loc["bag", f"auc_{OVERALL}"] == 1
    assert said.startswith(f"2 studies of 2 patients, external: {OWN}\n")
    assert "better than" not in said and LEAKS_HEADING not in said
    assert "10 patients are needed; scored: 2." in said and table[["low", "high", "gain_low"]].isna().all(axis=None)
    assert "bag" in said and not any(one in said for one in STUDIES)


def test_a_table_of_no_study_that_is_there_is_refused(
    command: SpineCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(labels_csv({"9.9": fractured("C1"), "9.8": fractured()}))
    answered(command, monkeypatch)
    with pytest.raises(
        WrongTable,
        match=r"labels\.csv: not one of its rows with a label is of a study that is given \(3; of 2 rows 2 fit none",
    ):
        labels_of_studies(command, read_labels(labels))
    with pytest.raises(MissingInput, match=r"none\.csv is no file"):
        read_labels(tmp_path / "none.csv")


@pytest.mark.parametrize(("patient", "seen"), [("Smith", True), ("Jones", False)])
def test_a_patient_that_was_learnt_from_is_recognised_behind_other_pseudonyms(
    command: SpineCommand, patient: str, seen: bool
) -> None:
    trained = Naming(read_key(data_folder(command.work, DATA_SET) / "pseudonyms.key"))
    learned = Ledger.of(DATA_SET, [trained.pseudonym("Smith")])
    slices = pd.DataFrame({"path": ["a/1"], "patient_id": ["ID_of_the_ward"]})
    identifiers = pd.DataFrame({"patient_id": [patient], "study_uid": [STUDIES[0]]}, index=["a/1"])
    if not seen:
        refuse_learned(command, learned, slices, identifiers, "small")
        return
    with pytest.raises(WrongUse, match="small has learnt from 1 of the 1 patients: ID_of_the_ward") as caught:
        refuse_learned(command, learned, slices, identifiers, "small")
    assert "Smith" not in str(caught.value)
