"""Stage 56 on made-up necks: scores out of fold, the submission, answers for people, whom networks have seen."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from spine_runs import NAME, small_run, start

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES
from hounsfield.competitions.rsna2022.tables import open_data_set, read_studies
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.evaluation.calibration import read_calibration
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.stages.ledger import Ledger
from programs import report_run
from spine.made_data import DATA_SET


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = small_run(tmp_path_factory.mktemp("answered"))
    start(work, "predict")
    return work


@pytest.fixture
def copied(answered: Path, tmp_path: Path) -> Path:
    return shutil.copytree(answered, tmp_path / "work")


def folder_of(work: Path) -> Path:
    return work / "preds" / "spine" / NAME


def study_predictions(work: Path, model: str, fold: int, seed: int) -> pd.DataFrame:
    path = folder_of(work) / "study" / model / f"fold{fold}_seed{seed}" / "rows.parquet"
    return read_predictions(path, LABELS, remedy="").set_index("study_uid")[list(NAMES)]


def over_rows(work: Path) -> float:
    """The least loss of a constant as the competition's text says it: weights times log losses, a mean over rows."""
    table = pd.read_csv(folder_of(work) / "out_of_fold.csv")
    labels = table[[f"label_{name}" for name in NAMES]].to_numpy(float)
    weights = np.where(labels > 0, 2, 1) * np.array([7] + [1] * 7)
    constant = ((weights * labels).sum(axis=0) / weights.sum(axis=0)).clip(1e-6, 1 - 1e-6)
    return float(np.mean(-weights * np.log(np.where(labels > 0, constant, 1 - constant))))


def test_every_row_is_named_after_what_leaks_and_the_prior_is_the_strictest(answered: Path) -> None:
    """Pseudo-labels and boxes were made by networks that have seen the scored patients (defect 20)."""
    scores = read_scores(folder_of(answered) / "scores.csv").set_index("system")
    assert list(scores.index) == ["prior", "one_second_order", "two_second_order", "bag_second_order"]
    leaks = ["chosen in hindsight: no constant is better", *["second-order leak: pseudo-labels, boxes"] * 3]
    assert scores["ledger"].tolist() == leaks
    assert scores["studies"].tolist() == [6] * 4
    assert scores.loc["bag_second_order", "gain_over"] == "prior"
    assert (scores["gain_low"] <= scores["gain"])[1:].all()
    assert scores.loc["prior", "study_loss"] < np.log(2)
    assert scores.loc["prior", "mean_over_rows"] == pytest.approx(over_rows(answered), abs=1e-8)


def test_the_bag_is_the_plain_mean_of_the_models(answered: Path) -> None:
    bag = read_predictions(folder_of(answered) / "bag.parquet", LABELS, remedy="").set_index("study_uid")
    for fold in (0, 1):
        one, two = (study_predictions(answered, *which) for which in (("one", fold, 7), ("two", fold, 8)))
        assert bag.loc[one.index, list(NAMES)].to_numpy() == pytest.approx((one + two).to_numpy() / 2, abs=1e-12)
    studies = read_studies(open_data_set(answered, DATA_SET, lambda stage, *_: stage))
    assert set(bag.index[bag["split"] == "test"]) == set(studies.loc[studies["split"] == "test", "study_uid"])


def test_the_submission_has_eight_rows_per_test_study_in_the_order_of_the_names(answered: Path) -> None:
    table = pd.read_csv(folder_of(answered) / "submission.csv")
    assert table["row_id"].tolist() == [f"1.2.006_{name}" for name in NAMES]
    findings = pd.read_csv(folder_of(answered) / "findings.csv", dtype={"study": str})
    assert table["fractured"].to_numpy() == pytest.approx(findings.loc[0, list(NAMES)].to_numpy(float), abs=1e-6)


def test_out_of_fold_studies_are_told_with_their_labels_and_boxes_with_how_well_they_fit(answered: Path) -> None:
    table = pd.read_csv(folder_of(answered) / "out_of_fold.csv", dtype={"study": str}).set_index("study")
    assert table.loc["1.2.001", "label_patient_overall"] == 1
    assert table["fold"].tolist() == [0, 1, 0, 1, 0, 1]
    boxes = pd.read_csv(folder_of(answered) / "boxes.csv", dtype={"study_uid": str}).set_index("study_uid")
    assert boxes.loc[[f"1.2.{n:03d}" for n in range(4)], "box_iou"].tolist() == [1] * 4  # the boxes are the true ones
    assert boxes.loc["1.2.005", ["box_iou", "range_iou"]].isna().all()  # it has no segmentation
    assert boxes["in_order"].tolist() == [True] * 4 + [False] * 2


def test_too_few_studies_are_not_calibrated_and_the_answers_say_so(answered: Path) -> None:
    calibration = read_calibration(folder_of(answered) / "calibration.json")
    assert calibration.words("slice") == "not calibrated: the system answers for studies alone"
    for name in ("out_of_fold.csv", "findings.csv"):
        table = pd.read_csv(folder_of(answered) / name)
        assert set(table["calibration"]) == {calibration.words("study")}
        assert table["calibration"].str.contains("not calibrated").all()
        assert table[[f"{one}_calibrated" for one in NAMES]].isna().all().all()


def test_the_ledger_tells_whom_each_folds_networks_have_seen(answered: Path) -> None:
    learned = Ledger.read(folder_of(answered) / "learned.parquet")
    patients = np.array([f"p{number:03d}" for number in range(6)])
    assert learned.roles_of(patients, "fold0").tolist() == ["upstream", "train"] * 2 + ["", "train"]
    assert set(learned.roles_of(patients, "test")) == {"train"}


def test_a_second_run_writes_nothing_and_shows_the_same(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder_of(copied) / "scores.csv").stat().st_mtime_ns
    start(copied, "predict")
    assert (folder_of(copied) / "scores.csv").stat().st_mtime_ns == before
    shown = capsys.readouterr().out
    assert re.search(r"(lower|higher) than the prior's by \d", shown)
    assert "intersection over union of boxes 1.000" in shown
    assert "peaks of C1 to C7 in order in 66.7% of 6 studies" in shown


def test_a_sample_submission_is_answered_in_its_order_and_its_other_studies_take_the_best_constant(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["unknown_C3", "1.2.006_C7", "1.2.006_patient_overall"]
    sample = copied / "data" / DATA_SET / "sample_submission.csv"
    sample.write_text("".join(f"{row}\n" for row in ["row_id,fractured", *(f"{row},0.5" for row in asked)]))
    start(copied, "predict", "--force")
    table = pd.read_csv(folder_of(copied) / "submission.csv")
    assert table["row_id"].tolist() == asked
    # of six studies three are healthy (C3 weighs 1 of 14) and three have one fracture: C1, C2, or C3 (1 or 2 of 22)
    assert table.loc[0, "fractured"] == pytest.approx((2 / 22) / (3 / 14 + 4 / 22), abs=1e-8)
    assert "1 study of the sample submission without a prediction" in capsys.readouterr().err


def test_missing_networks_are_named_with_the_command_that_trains_them(copied: Path) -> None:
    shutil.rmtree(copied / "checkpoints" / "spine" / NAME / "study" / "two" / "fold1_seed8")
    with pytest.raises(MissingInput, match=r"two/fold1_seed8 is missing; make it with: .*run_55_spine_study"):
        start(copied, "predict", "--force")


def test_a_network_that_has_learnt_from_a_scored_patient_is_not_scored(copied: Path) -> None:
    """What the ledger says decides, and not what a folder is called."""
    from hounsfield.core.stages.outputs import Provenance, output
    from hounsfield.core.storage.files import read_json

    folder = folder_of(copied) / "study" / "one" / "fold0_seed7"
    record = read_json(folder / "output.json")
    rows = (folder / "rows.parquet").read_bytes()
    with output(folder, Provenance(record["stage"], record["settings"], {}), force=True, remedy="") as out:
        (folder / "rows.parquet").write_bytes(rows)
        out.finish(["rows.parquet"], learned=Ledger.of(DATA_SET, ["p000"]))
    with pytest.raises(BadInput, match=r"1 of 6 patients to be scored were seen .*train: 1"):
        start(copied, "predict", "--force")


def test_the_report_of_a_run_says_of_every_study_how_its_patient_was_seen(copied: Path) -> None:
    folder = folder_of(copied)
    report_run(folder, copied)
    numbers = json.loads((folder / "report.json").read_text())
    scores = read_scores(folder / "scores.csv").set_index("system")["study_loss"]
    gain, proof = numbers["later_stage"]["study"], numbers["ledger"]["proof"]
    assert (gain["earlier"], gain["later"]) == ("one", "bag")
    assert gain["mean_gain"] == pytest.approx(scores["one_second_order"] - scores["bag_second_order"], abs=1e-7)
    assert sum(one["rows"] for one in proof) == 6 == sum(one["patients"] for one in proof)
    assert sum(one["seen"]["upstream"] for one in proof) > 0 == sum(one["seen"]["train"] for one in proof)
    assert len(list((folder / "report").glob("worst_*.png"))) == len(numbers["worst"]) > 0
