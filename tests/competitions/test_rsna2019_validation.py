from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.competitions.rsna2019.validation import (
    match_labels,
    printed_validation,
    rates_at_thresholds,
    training_units,
    validation_table,
)
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.score_table import System
from hounsfield.core.evaluation.study_rule import Answer, StudyRule
from hounsfield.core.intake.label_cells import read_cells
from hounsfield.core.intake.label_tables import LabelTable, label_table
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.intake.seen_patients import naming_of, refuse_seen
from hounsfield.core.stages.ledger import Ledger

SLICES = pd.DataFrame(
    {
        "path": ["a/1.dcm", "a/2.dcm", "b/1.dcm"],
        "patient_id": ["ID_x", "ID_x", "ID_y"],
        "study_uid": ["ID_p", "ID_p", "ID_q"],
        "series_uid": ["ID_s", "ID_s", "ID_t"],
        "series": [0, 0, 1],
        "order": [1, 0, 0],
    }
)
IDENTIFIERS = pd.DataFrame(
    {
        "patient_id": ["Smith", "Smith", ""],
        "study_uid": ["1.1", "1.1", "1.2"],
        "series_uid": ["2", "2", "3"],
        "sop_uid": ["9.1", "9.2", "9.3"],
    },
    index=SLICES["path"],
)
TRAINING = Naming(b"the key of the training set")


def table_in(path: Path) -> LabelTable:
    return label_table(read_cells(path), str(path))


def refuse(patient: str, study: str, naming: Naming = TRAINING) -> None:
    """Of two patients of the training set the first was learnt from; an archive's studies may have no pseudonyms."""
    patients, studies = [patient, "Nobody"], [study, "1.1"]
    names = list(map(naming.pseudonym, studies)) if naming.key else studies
    known = pd.DataFrame({"patient_id": map(naming.pseudonym, patients), "study_uid": names})
    refuse_seen(
        SLICES,
        IDENTIFIERS,
        Ledger.of("mine", known["patient_id"][:1]),
        naming,
        known,
        "crop",
        Path("data/ward/slices.parquet"),
    )


def test_strangers_are_not_refused() -> None:
    refuse("Miller", "1.3")


@pytest.mark.parametrize("naming", [TRAINING, Naming()])
@pytest.mark.parametrize(
    ("patient", "study", "pseudonym"), [("Smith", "1.3", "ID_x"), ("1.2", "1.3", "ID_y"), ("Miller", "1.1", "ID_x")]
)
def test_a_patient_is_recognised_by_the_key_of_the_training_set_and_named_by_the_pseudonym_here(
    patient: str, study: str, pseudonym: str, naming: Naming
) -> None:
    """By the identifier; without one by the study, as its pseudonym was made; and by a study under another patient."""
    with pytest.raises(
        WrongUse, match=rf"crop has learnt from 1 of the 2 patients: {pseudonym}.*\(data/ward/slices\.parquet"
    ):
        refuse(patient, study, naming)


def test_files_that_cannot_be_read_any_more_are_no_strangers() -> None:
    with pytest.raises(BadInput, match="3 files that were predicted cannot be read any more"):
        refuse_seen(SLICES, IDENTIFIERS.iloc[:0], Ledger.nobody(), TRAINING, SLICES, "crop", Path("slices.parquet"))


def test_without_the_key_of_the_training_set_nobody_is_called_a_stranger(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"data/mine/pseudonyms\.key is missing"):
        naming_of(tmp_path / "data/mine", "--archive", Naming())


@pytest.mark.parametrize(
    ("column", "keys"),
    [
        ("SOPInstanceUID", ["9.3", "9.1", "9.9"]),
        ("path", ["b/1.dcm", "a/1.dcm", "a/9.dcm"]),
        ("image", ["9.3", "9.1", "9.9"]),
    ],
)
def test_labels_find_their_slices_by_identifier_or_path(tmp_path: Path, column: str, keys: list[str]) -> None:
    (tmp_path / "t.csv").write_text("\n".join([f"{column},any", *(f"{k},{k != keys[1]:d}" for k in keys)]))
    found = match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS)
    assert found.rows.tolist() == [0, 2]
    assert found.labels.tolist() == [[0], [1]]
    assert (found.label_set.names, found.columns.tolist()) == (("any",), [LABELS.names.index("any")])


def test_a_file_name_that_several_slices_have_fits_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,any\n1.dcm,1\n2.dcm,0\n")
    assert match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS).rows.tolist() == [1]


def test_study_uids_in_a_column_of_files_are_named_in_the_refusal(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,any\n1.1,1\n1.2,0\n")
    with pytest.raises(BadInput, match=r"t\.csv: .* are StudyInstanceUIDs: call the column so"):
        match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS)


def test_a_table_of_other_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,fracture\na/1.dcm,1\n")
    with pytest.raises(BadInput, match="none of its columns is a class of the run"):
        match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS)


RULE = StudyRule(2, {name: Answer(0.35, None, None, 0, 0) for name in LABELS.names}, "")
PROBABILITIES = np.array([[0.2], [0.4], [0.9]]) * np.ones(6)


@pytest.mark.parametrize(
    ("column", "keys", "unit"),
    [("StudyInstanceUID", ("1.1", "1.2"), "study_uid"), ("SeriesInstanceUID", ("2", "3"), "series_uid")],
)
def test_labels_of_studies_and_series_are_scored_by_what_studies_csv_answers(
    tmp_path: Path, column: str, keys: tuple[str, str], unit: str
) -> None:
    (tmp_path / "t.csv").write_text(f"{column},any\n{keys[0]},0\n{keys[1]},1\n7.7,1\n")
    labelled = match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS)
    assert (labelled.unit, labelled.labels.tolist(), labelled.patients.tolist()) == (unit, [[0], [1]], ["ID_x", "ID_y"])
    answers = labelled.answers(PROBABILITIES, SLICES, RULE)
    assert answers.ravel() == pytest.approx([0.3, 0.9])  # the mean of two neighbours, and a single slice
    rates = rates_at_thresholds(labelled, answers, RULE)
    assert rates == {"sensitivity_any": 1.0, "specificity_any": 1.0}
    by_slice = pd.DataFrame({"system": ["bag"], "slices": [9]})  # a score of slices is not comparable
    table = validation_table(labelled, [System("bag", "crop", answers, "all")], "ward", "mine", by_slice, rates)
    assert table["weighted_log_loss"].tolist() == pytest.approx([-(np.log(0.7) + np.log(0.9)) / 2])
    assert table["studies" if unit == "study_uid" else "series"].tolist() == [2]
    said = printed_validation(table)
    assert "at the thresholds of studies.csv: any 1.00 / 1.00" in said and "nan" not in said


def test_a_study_without_a_label_is_not_scored(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("StudyInstanceUID,any,subdural\n1.1,,\n1.2,1,\n")
    labelled = match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS)
    assert labelled.rows.tolist() == [2]
    rates = rates_at_thresholds(labelled, labelled.answers(PROBABILITIES, SLICES, RULE), RULE)
    assert np.isnan([rates["specificity_any"], rates["sensitivity_subdural"]]).all()


def test_the_prior_of_studies_counts_studies_of_the_training_set(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("StudyInstanceUID,any\n1.2,1\n")
    labelled = match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS)
    training = SLICES.assign(split="train", any=[0.0, 1.0, 0.0])
    assert training_units(labelled, training, ["any"])["any"].tolist() == [1, 0]


def test_scores_of_fewer_classes_do_not_stand_beside_a_loss_of_all(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,any\na/1.dcm,1\na/2.dcm,0\nb/1.dcm,0\n")
    labelled = match_labels(LABELS, table_in(tmp_path / "t.csv"), SLICES, IDENTIFIERS)
    run = pd.DataFrame({"system": ["bag"], "weighted_log_loss": [0.1], "low": [0.05], "high": [0.2], "patients": [9]})
    run["slices"] = 90
    run = run.assign(**{f"auc_{name}": 0.9 for name in LABELS.names})
    systems = [System("bag", "crop", np.array([[0.9], [0.2], [0.1]]), "all")]
    table = validation_table(labelled, systems, "ward", "mine", run)
    assert list(table["where"]) == ["out of fold: mine", "external: ward"]
    assert np.isnan(table["weighted_log_loss"][0])
    assert table["weighted_log_loss"][1] == pytest.approx(-np.log([0.9, 0.8, 0.9]).mean())
    assert "of other classes" in printed_validation(table)
