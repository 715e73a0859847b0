"""A bag knows how far its probabilities can be taken at their word, and every table of answers says both."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hemorrhage_bag
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.evaluation.calibration import read_calibration
from hounsfield.core.evaluation.out_of_fold_calibration import PART, group_part
from hounsfield.core.evaluation.reliability import expected_calibration_error
from hounsfield.core.stages.ledger import LEDGER_FILE, Ledger
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.storage.files import file_digest
from hounsfield.hemorrhage.paths import predictions_folder
from synthetic_runs import DATA_SET, make_data_set, make_runs, toy_config, write_config

CALIBRATED = [f"{name}_calibrated" for name in CLASSES]


def bag(work: Path, *options: str) -> Path:
    """Bag the runs of `crop`; returns the folder."""
    argv = ["hemorrhage_bag.py", "--config", str(work / "configs/crop.yaml"), "--work", str(work), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", argv)
        hemorrhage_bag.main()
    return predictions_folder(work, "crop", DATA_SET, DATA_SET)


def made_runs(work: Path, **data: object) -> Path:
    make_data_set(work, **data)
    config = toy_config(epochs=1)
    write_config(work / "configs", "crop", config)
    make_runs(work, "crop", config)
    return work


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return made_runs(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def folder(work):
    return bag(work)


def test_the_calibration_is_part_of_the_finished_output(folder):
    assert "calibration.json" in read_record(folder)["files"]
    assert set(read_calibration(folder / "calibration.json").levels) == {"slice", "study"}


@pytest.mark.parametrize(("level", "table"), [("slice", "out_of_fold.csv"), ("study", "out_of_fold_studies.csv")])
def test_the_error_of_out_of_fold_rows_is_that_of_the_file_and_never_above_raw(folder, level, table):
    known, rows = read_calibration(folder / "calibration.json").levels[level], pd.read_csv(folder / table)
    errors = []
    for name in CLASSES:
        if known[name].calibrator is None:  # nearly every study bleeds somewhere
            assert rows[f"{name}_calibrated"].isna().all()
            continue
        raw, calibrated = (
            expected_calibration_error(rows[column].to_numpy(), rows[f"label_{name}"].to_numpy())
            for column in (name, f"{name}_calibrated")
        )
        assert calibrated == pytest.approx(known[name].calibrated.ece, abs=1e-4)  # the table has six digits
        assert calibrated <= raw + 1e-9
        errors.append((raw, calibrated))
    assert np.mean(errors, axis=0)[1] < np.mean(errors, axis=0)[0]
    assert len(errors) >= 5


@pytest.mark.parametrize(("level", "table"), [("slice", "findings.csv"), ("study", "studies.csv")])
def test_answers_hold_raw_and_calibrated_values_and_how_they_were_made(folder, level, table):
    calibration, rows = read_calibration(folder / "calibration.json"), pd.read_csv(folder / table)

    expected = calibration.apply(level, rows[list(CLASSES)].to_numpy())

    np.testing.assert_allclose(rows[CALIBRATED], expected, atol=1e-4)
    assert set(rows["calibration"]) == {calibration.words(level)}


def test_the_ledger_keeps_each_patient_from_the_calibrators_that_are_asked_about_it(folder):
    ledger, patients = Ledger.read(folder / LEDGER_FILE), make_data_set_patients(folder)
    unseen = np.stack([ledger.roles_of(patients, group_part(group)) == "" for group in range(5)])

    assert (unseen.sum(axis=0) == 1).all()
    assert (ledger.roles_of(patients, PART) == "train").all()


def make_data_set_patients(folder: Path) -> np.ndarray:
    slices = pd.read_parquet(folder.parents[2] / "data" / DATA_SET / "slices.parquet")
    return slices.loc[slices["split"] == "train", "patient_id"].unique()


def test_other_data_sets_are_calibrated_by_the_run(work, folder):
    make_data_set(work, name="own")
    config = toy_config(epochs=1)
    make_runs(work, "crop", config, data_set="own")

    bag(work, "--apply-to", "own")

    own = predictions_folder(work, "crop", DATA_SET, "own")
    assert file_digest(own / "calibration.json") == file_digest(folder / "calibration.json")
    rows = pd.read_csv(own / "findings.csv")
    expected = read_calibration(folder / "calibration.json").apply("slice", rows[list(CLASSES)].to_numpy())
    np.testing.assert_allclose(rows[CALIBRATED], expected, atol=1e-4)
    assert len(Ledger.read(own / LEDGER_FILE).roles_of(make_data_set_patients(folder), PART).nonzero()[0])


def test_too_few_patients_are_not_calibrated_and_every_table_says_so(tmp_path):
    folder = bag(made_runs(tmp_path, patients=5))

    findings, known = pd.read_csv(folder / "findings.csv"), pd.read_csv(folder / "out_of_fold.csv")
    few = [name for name in CLASSES if known.loc[known[f"label_{name}"] == 1, "study"].nunique() < 5]
    assert few
    assert findings[[f"{name}_calibrated" for name in few]].isna().all().all()
    assert findings["calibration"].str.contains(f"{few[0]}.* not calibrated: positives of ").all()
