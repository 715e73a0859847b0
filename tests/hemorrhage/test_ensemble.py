"""Stage 15: the mean over folds and epochs, submission, scores and findings."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from bagging import bag, bagged_copy, folder_of, linked_copy, read_runs, read_submission, ready_to_bag

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import data_folder
from hounsfield.competitions.rsna2019.results import prior_predictions
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.held_out import held_out_rows
from hounsfield.core.evaluation.score_table import read_scores, score_columns
from hounsfield.core.evaluation.study_rule import read_rule
from hounsfield.hemorrhage.paths import PREDICTIONS, predictions_folder
from synthetic_runs import (
    DATA_SET,
    make_data_set,
    make_predictions,
    make_runs,
    make_store,
    open_toy,
    toy_config,
    write_config,
    write_sample,
)


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    return ready_to_bag(tmp_path_factory.mktemp("work"))


@pytest.fixture
def work(ready, tmp_path):
    return linked_copy(ready, tmp_path)


@pytest.fixture(scope="module")
def bagged(ready, tmp_path_factory):
    """After stage 15. Nobody changes it."""
    return bagged_copy(ready, tmp_path_factory.mktemp("bagged"))


# ---- the mean


def test_a_test_slice_gets_the_plain_mean_over_all_folds_and_epochs(bagged):
    submitted = read_submission(folder_of(bagged))
    tables = [run[run["split"] == "test"].set_index("image_id") for run in read_runs(bagged).values()]
    assert len(submitted) == 6 * len(tables[0]) == 6 * 30
    for image in tables[0].index[:5]:
        for name in CLASSES:
            mean = sum(table.loc[image, name] for table in tables) / 10
            assert submitted[f"{image}_{name}"] == pytest.approx(np.clip(mean, 1e-5, 1 - 1e-5), abs=1e-9)


def test_several_experiments_are_averaged_into_a_folder_of_their_names(monkeypatch, work):
    config = toy_config(epochs=1)
    write_config(work / "configs", "no_crop", config)
    make_runs(work, "no_crop", config)
    bag(monkeypatch, work, "--experiments", "crop", "no_crop")
    folder = work / "preds/hemorrhage/crop+no_crop"
    tables = [*read_runs(work).values(), *read_runs(work, "no_crop", epochs=[0]).values()]
    image = tables[0].loc[tables[0]["split"] == "test", "image_id"].iloc[0]
    mean = sum(table.set_index("image_id").loc[image, "any"] for table in tables) / 15
    assert read_submission(folder)[f"{image}_any"] == pytest.approx(mean, abs=1e-9)
    scores = read_scores(folder / "scores.csv")
    assert list(scores["system"]) == ["prior", *["classifier", "classifier_rolling_mean", "sequence"] * 2, "bag"]
    assert list(scores["experiment"]) == ["", *["crop"] * 3, *["no_crop"] * 3, "crop+no_crop"]


def test_an_experiment_without_a_yaml_beside_the_given_one_is_refused(monkeypatch, work):
    with pytest.raises(WrongUse, match=r"other\.yaml"):
        bag(monkeypatch, work, "--experiments", "crop", "other")
    with pytest.raises(WrongUse, match="counts once"):
        bag(monkeypatch, work, "--experiments", "crop", "crop")


def test_what_else_lies_in_the_folder_is_ignored(monkeypatch, work, bagged):
    before = (folder_of(bagged) / "submission.csv.gz").read_bytes()
    make_store(work, "crop", "0", 7)
    make_predictions(work, "crop", toy_config(), "0", 7)
    (folder_of(work) / "fold9_epoch9").mkdir()
    (folder_of(work) / "fold9_epoch9" / PREDICTIONS).write_bytes(b"stray")
    bag(monkeypatch, work)
    assert (folder_of(work) / "submission.csv.gz").read_bytes() == before


# ---- sample submission and prior


def test_the_submission_has_the_samples_ids_in_the_samples_order(monkeypatch, work):
    slices = make_data_set(work)
    images = list(slices.loc[slices["split"] == "test", "image_id"])
    ids = [f"{image}_{name}" for name in reversed(CLASSES) for image in images]
    write_sample(work, ids)
    bag(monkeypatch, work)
    assert list(read_submission(folder_of(work)).index) == ids


def test_a_slice_without_a_prediction_takes_the_training_prior_and_is_counted(monkeypatch, work, capsys):
    slices = make_data_set(work)
    images = [*slices.loc[slices["split"] == "test", "image_id"], "ID_refused"]
    write_sample(work, [f"{image}_{name}" for image in images for name in CLASSES])
    bag(monkeypatch, work)
    submitted = read_submission(folder_of(work))
    train = slices[slices["split"] == "train"]
    for name in CLASSES:
        assert submitted[f"ID_refused_{name}"] == pytest.approx(train[name].mean(), abs=1e-9)
    assert "1 slice of the sample submission without a prediction" in capsys.readouterr().err
    assert "ID_refused" not in set(pd.read_csv(folder_of(work) / "findings.csv")["image_id"])


# ---- fold all, other data sets


def test_the_single_model_is_bagged_but_not_scored(monkeypatch, work, capsys):
    make_runs(work, "crop", toy_config(), folds=("all",))
    bag(monkeypatch, work, "--fold", "all")
    scores = read_scores(folder_of(work) / "foldall/scores.csv")
    assert list(scores.columns) == score_columns(LABELS)
    assert scores.empty
    shown = capsys.readouterr()
    assert "fold all has learnt from every patient" in shown.err
    assert "submission.csv.gz" in shown.out
    tables = read_runs(work, folds=["all"])
    image = tables["all", 0]["image_id"].iloc[0]
    mean = sum(table.set_index("image_id").loc[image, "any"] for table in tables.values()) / 2
    assert read_submission(folder_of(work) / "foldall")[f"{image}_any"] == pytest.approx(mean, abs=1e-9)


def test_a_fold_that_does_not_exist_is_refused(monkeypatch, work):
    with pytest.raises(WrongUse, match="fold 5: there are 5"):
        bag(monkeypatch, work, "--fold", "5")
    with pytest.raises(WrongUse, match="take it alone"):
        bag(monkeypatch, work, "--fold", "0", "all")


def test_another_data_set_is_predicted_whole_and_not_scored(monkeypatch, work, capsys):
    own = make_data_set(work, "own", patients=2, test_patients=1, slices=3)
    make_runs(work, "crop", toy_config(), data_set="own")
    bag(monkeypatch, work, "--apply-to", "own")
    folder = predictions_folder(work, "crop", DATA_SET, "own")
    assert not (folder / "submission.csv.gz").exists()  # nobody asked for one
    assert list(pd.read_csv(folder / "findings.csv")["image_id"]) == list(own["image_id"])
    assert read_scores(folder / "scores.csv").empty
    assert "own is not the data set trained on" in capsys.readouterr().err


def test_another_data_sets_prior_is_that_of_the_training_set_or_a_half(monkeypatch, work, capsys):
    own = make_data_set(work, "own", patients=0, test_patients=1, slices=3)
    make_runs(work, "crop", toy_config(), data_set="own")
    write_sample(work, [f"{image}_{name}" for image in (own["image_id"][0], "ID_lost") for name in CLASSES], "own")
    bag(monkeypatch, work, "--apply-to", "own")
    folder = predictions_folder(work, "crop", DATA_SET, "own")
    train = make_data_set(work)
    train = train[train["split"] == "train"]
    assert read_submission(folder)["ID_lost_any"] == pytest.approx(train["any"].mean(), abs=1e-9)
    assert "2 predicted slices that the sample submission lacks" in capsys.readouterr().err
    shutil.rmtree(data_folder(work, DATA_SET))
    bag(monkeypatch, work, "--apply-to", "own", "--force")
    assert read_submission(folder)["ID_lost_any"] == 0.5
    assert "takes 0.5" in capsys.readouterr().err


def test_a_data_set_without_test_slices_gets_scores_and_out_of_fold_findings_and_no_submission(monkeypatch, tmp_path):
    make_data_set(tmp_path, patients=10, test_patients=0)
    write_config(tmp_path / "configs", "crop", toy_config(epochs=1))
    make_runs(tmp_path, "crop", toy_config(epochs=1))
    bag(monkeypatch, tmp_path)
    folder = folder_of(tmp_path)
    assert not {"submission.csv.gz", "findings.csv", "studies.csv"} & {path.name for path in folder.iterdir()}
    assert len(read_scores(folder / "scores.csv")) == 5
    table, slices = pd.read_csv(folder / "out_of_fold.csv"), make_data_set(tmp_path, patients=10, test_patients=0)
    assert list(table["image_id"]) == list(slices["image_id"])
    assert list(table["label_any"]) == list(slices["any"])
    assert list(table["fold"]) == list(slices["fold"])
    rule = read_rule(folder / "study_rule.json")
    assert rule.answers["any"].positives + rule.answers["any"].negatives == 10
    assert rule.answers["any"].sensitivity is not None


# ---- the comparison


def test_prior_classifier_sequence_and_bag_are_compared_on_held_out_patients(monkeypatch, work, capsys):
    bag(monkeypatch, work)
    scores = read_scores(folder_of(work) / "scores.csv").set_index("system")
    assert list(scores.index) == ["prior", "classifier", "classifier_rolling_mean", "sequence", "bag"]
    assert list(scores["gain_over"]) == ["", "prior", "classifier", "classifier", "sequence"]
    loss = scores["weighted_log_loss"]
    assert loss["prior"] > loss["classifier"] > loss["sequence"] > loss["bag"]
    assert (scores.loc[["classifier", "sequence"], "gain_low"] > 0).all()
    assert set(scores["patients"]) == {40}
    assert set(scores["slices"]) == {240}
    assert "of the fold that holds the patient out" in scores.loc["bag", "models"]
    assert "240 out-of-fold slices of 40 patients, folds 0 1 2 3 4" in capsys.readouterr().out


def test_embeddings_published_without_logits_are_compared_without_a_classifier(monkeypatch, work):
    for fold in range(5):
        for epoch in range(2):
            make_store(work, "crop", str(fold), epoch, logits=False)
            make_predictions(work, "crop", toy_config(), str(fold), epoch)
    bag(monkeypatch, work)
    scores = read_scores(folder_of(work) / "scores.csv").set_index("system")
    assert list(scores.index) == ["prior", "sequence", "bag"]
    assert list(scores["gain_over"]) == ["", "prior", "sequence"]


def test_the_bag_of_a_held_out_slice_is_the_mean_of_its_own_folds_runs(bagged):
    runs = read_runs(bagged)
    losses = []
    for fold in range(5):
        tables = [runs[fold, epoch].query("split == 'out-of-fold'").set_index("image_id") for epoch in (0, 1)]
        mean = (tables[0][list(CLASSES)] + tables[1][list(CLASSES)]) / 2
        truth = read_slices(open_toy(bagged)).set_index("image_id").loc[mean.index, list(CLASSES)].astype(float)
        by_class = -np.log(np.where(truth > 0.5, mean, 1 - mean))
        losses.append(by_class @ [1, 1, 1, 1, 1, 2] / 7)
    expected = np.concatenate(losses).mean()
    scores = read_scores(folder_of(bagged) / "scores.csv").set_index("system")
    assert scores.loc["bag", "weighted_log_loss"] == pytest.approx(expected, abs=1e-7)


def test_the_prior_of_a_fold_does_not_know_its_own_patients(work):
    slices = make_data_set(work)
    held_out = held_out_rows(LABELS, slices, ("0", "3"))
    found = prior_predictions(LABELS, slices, held_out)
    train = slices[slices["split"] == "train"]
    for fold in (0, 3):
        expected = train.loc[train["fold"] != fold, list(CLASSES)].mean().to_numpy(float)
        assert found[held_out.folds == fold] == pytest.approx(np.tile(expected, ((held_out.folds == fold).sum(), 1)))
    assert set(held_out.folds) == {0, 3}


def test_held_out_slices_of_fold_all_are_none(work):
    assert len(held_out_rows(LABELS, make_data_set(work), ("all",)).rows) == 0


# ---- findings


def test_findings_have_one_row_a_test_slice_in_series_order(bagged):
    findings = pd.read_csv(folder_of(bagged) / "findings.csv")
    places = ["study", "series", "file", "image_id", "position_mm", "order"]
    calibrated = [f"{name}_calibrated" for name in CLASSES]
    assert list(findings.columns) == [*places, *CLASSES, *calibrated, "flags", "calibration", "trained_on"]
    slices = read_slices(open_toy(bagged))
    assert list(findings["file"]) == list(slices.loc[slices["split"] == "test", "path"])
    submitted = read_submission(folder_of(bagged))
    assert findings.loc[3, "any"] == pytest.approx(submitted[findings.loc[3, "image_id"] + "_any"], abs=1e-6)
