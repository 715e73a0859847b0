"""Stages 44 and 45: early stopping, resuming, what is stale, what the tables hold, and the submission."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from second_level_runs import BOOSTERS, ONE, average, learn, outcome, read_table_of, slices_of

from first_level import CONFIG, EXPERIMENT, all_tables
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.submission import ids_of
from hounsfield.core.errors import MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, read_predictions
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.stacking.config import STOPPINGS, SubmissionConfig
from hounsfield.stacking.ensemble import read_first_level
from hounsfield.stacking.features import feature_names
from hounsfield.stacking.paths import PREDICTIONS, boosters_folder, predictions_folder, second_level_folder
from hounsfield.stacking.second_level import arrange, split_folds
from killed_runs import files_left
from synthetic_runs import write_sample


@pytest.fixture
def work(tmp_path: Path, first_level_work: Path) -> Path:
    """What stage 44 starts from."""
    return shutil.copytree(first_level_work, tmp_path / "work")


@pytest.fixture
def done(tmp_path: Path, second_level_work: Path) -> Path:
    """What stages 44 and 45 leave."""
    return shutil.copytree(second_level_work, tmp_path / "work")


def test_nested_stopping_never_sees_the_scored_fold_and_the_published_one_stops_by_it() -> None:
    assert split_folds([0, 1, 2, 3], 1, "nested") == ([0, 3], 2)
    assert split_folds([0, 1, 2, 3], 3, "nested") == ([1, 2], 0)
    assert split_folds([0, 2, 5], 5, "nested") == ([2], 0)
    assert split_folds([0, 1, 2, 3], 1, "scored_fold") == ([0, 2, 3], 1)


@pytest.mark.parametrize(("folds", "stopping"), [([0, 1], "nested"), ([4], "scored_fold")])
def test_too_few_folds_are_wrong_use(folds, stopping) -> None:
    with pytest.raises(WrongUse, match=f"early stopping {stopping} needs"):
        split_folds(folds, folds[0], stopping)


def test_patients_learnt_from_stopped_by_and_scored_are_different_people(second_level_work) -> None:
    patients = slices_of(second_level_work).dropna(subset="fold").groupby("fold")["patient_id"].agg(set)
    folder = boosters_folder(second_level_work, EXPERIMENT, "xgboost", "nested")
    for fold in CONFIG.folds:
        facts = json.loads((folder / f"fold{fold}_any.facts.json").read_text())
        parts = [set.union(*patients[facts["learnt_folds"]]), patients[facts["stop_fold"]], patients[fold]]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


@pytest.mark.parametrize("booster", BOOSTERS)
@pytest.mark.parametrize("stopping", STOPPINGS)
def test_every_labelled_and_every_test_slice_is_predicted_once_in_the_slices_order(
    second_level_work, booster, stopping
) -> None:
    slices = slices_of(second_level_work)
    frame = read_table_of(second_level_work, booster, stopping)
    assert list(frame["image_id"]) == list(slices["image_id"])
    assert list(frame["split"]) == [TEST if split == "test" else OUT_OF_FOLD for split in slices["split"]]


@pytest.mark.parametrize("booster", BOOSTERS)
def test_importance_names_every_feature_of_every_model(second_level_work, booster) -> None:
    table = pd.read_csv(boosters_folder(second_level_work, EXPERIMENT, booster, "nested") / "importance.csv")
    assert list(table.columns) == ["class", "fold", "feature", "gain_share"]
    assert set(table["feature"]) == set(feature_names(9, CLASSES))
    np.testing.assert_allclose(table.groupby(["class", "fold"])["gain_share"].sum(), 1, atol=1e-3)
    own = table[table["feature"] == table["class"]].groupby("class")["gain_share"].mean()
    assert own.mean() > 1 / 28  # more than an equal share


@pytest.mark.parametrize(
    "booster", [pytest.param(one, marks=() if one == "xgboost" else pytest.mark.slow) for one in BOOSTERS]
)
def test_a_run_that_was_killed_goes_on_with_the_missing_models_and_ends_the_same(
    second_level_work, work, booster, monkeypatch
) -> None:
    from hounsfield.stacking import booster_runs

    trained, train = [], booster_runs.train_booster

    def killed_at_the_fifth(*arguments, **named):
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append(1)
        return train(*arguments, **named)

    options = ("--booster", booster, "--stopping", "nested")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(booster_runs, "train_booster", killed_at_the_fifth)
        learn(work, *options)
    folder = boosters_folder(work, EXPERIMENT, booster, "nested")
    table = second_level_folder(work, EXPERIMENT, booster, "nested") / PREDICTIONS
    assert len(list(folder.glob("*.facts.json"))) == 4
    assert not table.exists()
    (folder / "fold2_epidural.facts.json").unlink()  # killed between the model and its facts
    trained.clear()
    monkeypatch.setattr(booster_runs, "train_booster", lambda *a, **k: trained.append(1) or train(*a, **k))
    learn(work, *options)
    assert len(trained) == 18 - 3
    assert files_left(folder) == files_left(boosters_folder(second_level_work, EXPERIMENT, booster, "nested"))
    whole = second_level_folder(second_level_work, EXPERIMENT, booster, "nested") / PREDICTIONS
    assert table.read_bytes() == whole.read_bytes()


def test_a_finished_run_has_nothing_to_do(done, monkeypatch) -> None:
    monkeypatch.setattr("hounsfield.stacking.booster_runs.train_booster", None)
    before = outcome(done)
    learn(done)
    average(done)
    assert outcome(done) == before


def test_a_model_that_was_damaged_is_trained_again(done) -> None:
    before = outcome(done)
    folder = boosters_folder(done, EXPERIMENT, "lightgbm", "nested")
    (folder / "fold0_any.txt").write_bytes(b"tree")
    learn(done, *ONE)
    assert outcome(done) == before


def test_other_settings_are_refused_until_force_is_given(done) -> None:
    settings = replace(CONFIG.second_level, neighbours=2)
    other = replace(CONFIG, second_level=settings)
    with pytest.raises(StaleOutput, match=r"neighbours: 9 -> 2"):
        learn(done, *ONE, config=other)
    learn(done, *ONE, "--force", config=other)
    table = pd.read_csv(boosters_folder(done, EXPERIMENT, "lightgbm", "nested") / "importance.csv")
    assert set(table["feature"]) == set(feature_names(2, CLASSES))


def test_settings_of_one_library_do_not_make_anothers_models_stale(done) -> None:
    settings = replace(CONFIG.second_level, catboost=replace(CONFIG.second_level.catboost, depth=2))
    before = outcome(done)
    learn(done, "--booster", "lightgbm", "xgboost", config=replace(CONFIG, second_level=settings))
    found = outcome(done)
    assert found.keys() == before.keys()
    assert {name for name in found if found[name] != before[name]} == set()


def test_one_library_alone_trains_nothing_else(work) -> None:
    learn(work, *ONE)
    trained = {path.name for path in (work / "checkpoints" / "stacking" / EXPERIMENT).iterdir() if path.is_dir()}
    assert trained - {network.name for network in CONFIG.networks} == {"lightgbm"}


def test_a_library_that_is_not_installed_is_named_and_skipped_only_when_asked(work, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "catboost", None)
    both = ("--booster", "lightgbm", "catboost", "--stopping", "nested")
    with pytest.raises(MissingInput, match=r"catboost is not installed; .*pip install catboost\nor .*--skip-missing"):
        learn(work, *both)
    assert not boosters_folder(work, EXPERIMENT, "lightgbm", "nested").exists()
    learn(work, *both, "--skip-missing")
    assert (second_level_folder(work, EXPERIMENT, "lightgbm", "nested") / PREDICTIONS).exists()
    with pytest.raises(MissingInput, match="catboost is not installed"):
        learn(work, "--booster", "catboost", "--skip-missing")
    with pytest.raises(MissingInput, match=r"--booster NAME"):
        average(work)


def test_the_published_features_are_learnt_from_when_they_are_asked_for(done) -> None:
    published = replace(CONFIG.second_level, before_first="wrapped", study_mean="last_class")
    config = replace(CONFIG, second_level=published)
    with pytest.raises(StaleOutput, match=r'before_first: "missing" -> "wrapped"'):
        learn(done, *ONE, config=config)
    path = boosters_folder(done, EXPERIMENT, "lightgbm", "nested") / "fold0_any.txt"
    before = path.read_bytes()
    learn(done, *ONE, "--force", config=config)
    assert path.read_bytes() != before


def test_the_second_level_learns_from_what_the_first_level_says_of_the_study(second_level_work) -> None:
    slices = slices_of(second_level_work)
    first_level = read_first_level(LABELS, all_tables(second_level_work), slices)
    case = arrange(LABELS, slices, first_level.ensemble, CONFIG.folds, "")
    assert np.isfinite(case.predictions).all()
    assert sorted(case.rows) == list(range(len(slices)))


def test_the_score_table_compares_every_step_and_calls_the_published_one_optimistic(second_level_work) -> None:
    table = read_scores(predictions_folder(second_level_work, EXPERIMENT) / "scores.csv").set_index("system")
    assert list(table.index) == [
        *("prior", "small", "large", "cnn_ensemble", *BOOSTERS, "second_level", "second_level_scored_fold")
    ]
    assert list(table["gain_over"]) == ["", *["prior"] * 3, *["cnn_ensemble"] * 5]
    assert "optimistic" in table.loc["second_level_scored_fold", "models"]
    assert "nested" in table.loc["second_level", "models"]
    assert list(table["ledger"][:4]) == ["out-of-fold"] * 4
    assert table["ledger"][4:8].str.startswith("second order: ").all()
    assert table["ledger"].iloc[8].startswith("early stopping on the scored fold; second order: ")
    loss = table["weighted_log_loss"]
    assert loss["prior"] > loss["cnn_ensemble"] > loss["second_level"]
    assert (table["slices"] == slices_of(second_level_work)["fold"].notna().sum()).all()


def test_the_ensemble_is_nested_out_of_fold_and_as_published_on_test(second_level_work) -> None:
    folder = predictions_folder(second_level_work, EXPERIMENT)
    frame = read_predictions(folder / "ensemble.parquet", LABELS, remedy="")
    for split, stopping in ((OUT_OF_FOLD, "nested"), (TEST, "scored_fold")):
        tables = [read_table_of(second_level_work, booster, stopping) for booster in BOOSTERS]
        mean = np.mean([table.loc[table["split"] == split, list(CLASSES)] for table in tables], axis=0)
        np.testing.assert_allclose(frame.loc[frame["split"] == split, list(CLASSES)], mean)
    assert json.loads((folder / "output.json").read_text())["facts"]["by_design"]["roles"] == ["upstream"]


def test_the_submission_holds_the_ensembles_test_probabilities(second_level_work) -> None:
    folder = predictions_folder(second_level_work, EXPERIMENT)
    frame = read_predictions(folder / "ensemble.parquet", LABELS, remedy="")
    test = frame[frame["split"] == TEST]
    with gzip.open(folder / "submission.csv.gz", "rt") as text:
        submission = pd.read_csv(text)
    assert list(submission["ID"]) == list(ids_of(test["image_id"]))
    np.testing.assert_allclose(submission["Label"], test[list(CLASSES)].to_numpy().ravel(), atol=1e-5)
    findings = pd.read_csv(folder / "findings.csv")
    assert list(findings["image_id"]) == list(test["image_id"])


def test_slices_that_the_sample_asks_for_and_that_have_no_prediction_take_the_training_prior(done) -> None:
    slices = slices_of(done)
    labels = slices.loc[slices["split"] == "train", list(CLASSES)].astype(float)
    images = pd.Series(["ID_lost", *slices.loc[slices["split"] == "test", "image_id"]])
    write_sample(done, list(ids_of(images)))
    with pytest.raises(StaleOutput, match="sample submission: not used then"):
        average(done)
    average(done, "--force")
    with gzip.open(predictions_folder(done, EXPERIMENT) / "submission.csv.gz", "rt") as text:
        np.testing.assert_allclose(pd.read_csv(text)["Label"][:6], labels.mean(), atol=1e-6)


def test_an_ensemble_of_other_models_is_refused(done) -> None:
    lightgbm = replace(CONFIG.second_level.lightgbm, seed=1)
    other_seed = replace(CONFIG, second_level=replace(CONFIG.second_level, lightgbm=lightgbm))
    learn(done, *ONE, "--force", config=other_seed)
    with pytest.raises(StaleOutput, match=r"lightgbm_nested (.|\n)*lightgbm\.seed: 1 -> 20"):
        average(done)


def test_as_published_the_submission_takes_its_smallest_label_and_is_clipped_to_a_millionth(done) -> None:
    slices = slices_of(done)
    write_sample(done, list(ids_of(pd.Series(["ID_lost", *slices.loc[slices["split"] == "test", "image_id"]]))))
    for clip in (1e-6, 0.4):
        config = replace(CONFIG, submission=SubmissionConfig(clip=clip, missing="smallest"))
        average(done, "--force", config=config)
        frame = read_predictions(predictions_folder(done, EXPERIMENT) / "ensemble.parquet", LABELS, remedy="")
        smallest = frame.loc[frame["split"] == TEST, list(CLASSES)].to_numpy().min()
        with gzip.open(predictions_folder(done, EXPERIMENT) / "submission.csv.gz", "rt") as text:
            labels = pd.read_csv(text)["Label"]
        np.testing.assert_allclose(labels[:6], max(smallest, clip), atol=1e-9)
        assert labels.between(clip, 1 - clip).all()
    with pytest.raises(StaleOutput, match=r"submission\.clip: 0\.4 -> 1e-06"):
        average(done, config=replace(config, submission=SubmissionConfig(clip=1e-6, missing="smallest")))
