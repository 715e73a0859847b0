"""Stages 44 and 45: early stopping, resuming, what is refused, and what the tables hold."""

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

from first_level import (
    CONFIG,
    EXPERIMENT,
    PLACES,
    all_tables,
    arguments_for,
    make_table,
    open_slices,
    write_stacking_slices,
)
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.submission import ids_of
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, read_predictions
from hounsfield.core.evaluation.scores import read_scores
from hounsfield.stacking.config import STOPPINGS, Booster, SubmissionConfig
from hounsfield.stacking.ensemble import read_first_level
from hounsfield.stacking.features import class_features, feature_names
from hounsfield.stacking.paths import PREDICTIONS, boosters_folder, predictions_folder, second_level_folder
from hounsfield.stacking.second_level import EVERY_FOLD, SLICE_COLUMNS, arrange, split_folds
from hounsfield.stacking.tables import read_stacking_slices
from programs import run_program
from synthetic_runs import write_sample

BOOSTERS: tuple[Booster, ...] = ("lightgbm", "catboost", "xgboost")
ONE = ("--booster", "lightgbm", "--stopping", "nested")


@pytest.fixture
def work(tmp_path: Path, first_level_work: Path) -> Path:
    """What stage 44 starts from."""
    return shutil.copytree(first_level_work, tmp_path / "work")


@pytest.fixture
def done(tmp_path: Path, second_level_work: Path) -> Path:
    """What stages 44 and 45 leave."""
    return shutil.copytree(second_level_work, tmp_path / "work")


def learn(work: Path, *extra: object, config=CONFIG) -> None:
    run_program("stacking_second_level", *arguments_for(work, config), *extra)


def average(work: Path, *extra: object, config=CONFIG) -> None:
    run_program("stacking_ensemble", *arguments_for(work, config), *extra)


def slices_of(work: Path) -> pd.DataFrame:
    return read_stacking_slices(open_slices(work), (*SLICE_COLUMNS, *CLASSES))


def read_table_of(work: Path, booster: str, stopping: str) -> pd.DataFrame:
    return read_predictions(second_level_folder(work, EXPERIMENT, booster, stopping) / PREDICTIONS, LABELS, remedy="")


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the locks."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def outcome(work: Path) -> dict[str, bytes]:
    return files_of(work / "checkpoints") | files_of(work / "preds")


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
    frame = read_predictions(
        second_level_folder(second_level_work, EXPERIMENT, booster, stopping) / PREDICTIONS, LABELS, remedy=""
    )
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


@pytest.mark.parametrize("booster", BOOSTERS)
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
    assert files_of(folder) == files_of(boosters_folder(second_level_work, EXPERIMENT, booster, "nested"))
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
    assert outcome(done) == before


def test_one_library_alone_trains_nothing_else(work) -> None:
    learn(work, *ONE)
    trained = {path.name for path in (work / "checkpoints" / "stacking" / EXPERIMENT).iterdir()}
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


def test_a_missing_table_of_the_first_level_stops_the_second(work) -> None:
    (all_tables(work)[0].output.folder / "output.json").unlink()
    with pytest.raises(MissingInput, match="small fold 0 epoch 2"):
        learn(work)


def without_a_class(work: Path, name: str, folds: tuple[int, ...]) -> None:
    """Make all slices of some folds negative for one class."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{name: table[name].where(~table["fold"].isin(folds) | table[name].isna(), 0)})

    write_stacking_slices(work, change)
    for place in range(len(PLACES)):
        make_table(work, place)


def test_a_class_without_a_positive_takes_the_prior_of_its_training_part_and_says_so(work, monkeypatch) -> None:
    without_a_class(work, "epidural", (0, 1))
    said: list[str] = []
    monkeypatch.setattr("hounsfield.stacking.booster_runs.logger.warning", lambda text, *a: said.append(text % a))
    learn(work, *ONE)
    frame = read_predictions(
        second_level_folder(work, EXPERIMENT, "lightgbm", "nested") / PREDICTIONS, LABELS, remedy=""
    )
    slices = slices_of(work)
    share = slices.loc[slices["fold"] == 2, "epidural"].mean()
    # fold 0 stops by fold 1 and learns from fold 2; fold 1 learns from fold 0; fold 2 learns from fold 1
    for fold, expected in ((0, share), (1, 0), (2, 0)):
        np.testing.assert_allclose(frame.loc[slices["fold"] == fold, "epidural"], expected)
    np.testing.assert_allclose(frame.loc[slices["split"] == "test", "epidural"], share / 3)
    assert frame["any"].nunique() > 5
    assert said == [
        "lightgbm nested fold 0 epidural: the slices to stop by are all negative; its prior stands in for a model",
        "lightgbm nested fold 1 epidural: the slices to learn from are all negative; its prior stands in for a model",
        "lightgbm nested fold 2 epidural: the slices to learn from are all negative; its prior stands in for a model",
    ]
    folder = boosters_folder(work, EXPERIMENT, "lightgbm", "nested")
    assert json.loads((folder / "fold0_epidural.json").read_text()) == {"prior": pytest.approx(share)}


@pytest.mark.parametrize(
    ("column", "fact"),
    [("fold", "1 training slices lack a label or the fold; the first is ID_toy"), ("brain_ratio", "1 slices have")],
)
def test_a_missing_label_or_number_is_refused_with_the_file_named(work, column, fact) -> None:
    slices = slices_of(work)
    slices.loc[3, column] = np.nan
    with pytest.raises(BadInput, match=f"^slices of stage 41: {fact}"):
        arrange(LABELS, slices, np.zeros((len(slices), 6)), CONFIG.folds, "slices of stage 41")


def test_a_label_that_is_unknown_alone_is_left_out_of_what_its_class_learns_from(work) -> None:
    slices = slices_of(work)
    slices.loc[3, "subdural"] = np.nan
    case = arrange(LABELS, slices, np.zeros((len(slices), 6)), CONFIG.folds, "")
    known = case.known[np.flatnonzero(case.rows == 3)].ravel()
    assert dict(zip(CLASSES, known.tolist(), strict=True)) == {name: name != "subdural" for name in CLASSES}


def test_a_study_with_labels_on_some_slices_only_is_put_together_again(work) -> None:
    slices = slices_of(work)
    long = slices[slices["slices_in_study"] == 14]
    first = long.index[long["series"] == long["series"].iloc[0]]
    slices.loc[first[::2], "split"] = "test"
    slices.loc[first[::2], ["fold", *CLASSES]] = np.nan
    slices = slices.sort_values(["split", "series", "order"], ascending=[False, True, True], ignore_index=True)
    predictions = np.random.default_rng(0).random((len(slices), 6))
    case = arrange(LABELS, slices, predictions, CONFIG.folds, "")
    table = class_features(case.predictions, 5, case.studies, 9)
    study = slices["series"].iloc[case.rows].to_numpy() == long["series"].iloc[0]
    along = predictions[slices.index[slices["series"] == long["series"].iloc[0]], 5]
    orders = slices.loc[slices["series"] == long["series"].iloc[0], "order"].to_numpy()
    np.testing.assert_allclose(table[study][:-1, 9], along[np.argsort(orders)][1:], rtol=1e-6)
    assert set(case.folds[study]) >= {-1}


def test_folds_that_are_left_out_are_neither_learnt_from_nor_predicted(work) -> None:
    learn(work, "--booster", "lightgbm", "--stopping", "scored_fold", "--fold", 0, 2)
    path = second_level_folder(work, EXPERIMENT, "lightgbm", "scored_fold") / PREDICTIONS
    frame = read_predictions(path, LABELS, remedy="")
    slices = slices_of(work)
    assert list(frame["image_id"]) == list(slices.loc[slices["fold"] != 1, "image_id"])
    assert not list(boosters_folder(work, EXPERIMENT, "lightgbm", "scored_fold").glob("fold1_*"))
    with pytest.raises(WrongUse, match="fold 3: there are 3; give 0 to 2"):
        learn(work, "--fold", 3)


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
        tables = [
            read_predictions(
                second_level_folder(second_level_work, EXPERIMENT, booster, stopping) / PREDICTIONS, LABELS, remedy=""
            )
            for booster in BOOSTERS
        ]
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


@pytest.fixture
def no_fold(work: Path) -> Path:
    """What stage 44 starts from when slices without brain are in no fold."""
    write_stacking_slices(work, lambda table: table.assign(fold=table["fold"].where(table["hu_crc32"].notna())))
    for place in range(len(PLACES)):
        make_table(work, place)
    return work


def test_as_published_slices_without_brain_train_every_model_and_are_never_scored(no_fold) -> None:
    learn(no_fold)
    slices = slices_of(no_fold)
    loose = (slices["split"] == "train") & slices["hu_crc32"].isna()
    assert loose.sum() > 5
    for stopping, folds in (("nested", 1), ("scored_fold", 2)):
        folder = boosters_folder(no_fold, EXPERIMENT, "xgboost", stopping)
        for fold in CONFIG.folds:
            facts = json.loads((folder / f"fold{fold}_any.facts.json").read_text())
            assert len(facts["learnt_folds"]) == folds
            assert facts["slices_of_no_fold"] == loose.sum()
            assert facts["slices"] == slices["fold"].isin(facts["learnt_folds"]).sum() + loose.sum()
        frame = read_predictions(
            second_level_folder(no_fold, EXPERIMENT, "xgboost", stopping) / PREDICTIONS, LABELS, remedy=""
        )
        assert list(frame["image_id"]) == list(slices.loc[~loose, "image_id"])
    average(no_fold)
    table = read_scores(predictions_folder(no_fold, EXPERIMENT) / "scores.csv").set_index("system")
    seen = [f"{name}_every_patient" for name in (*BOOSTERS, "second_level", "second_level_scored_fold")]
    assert list(table.index) == ["prior", "small", "large", "cnn_ensemble", *seen]
    said = f"; {loose.sum()} slices without brain, also of the patients scored, are learnt from"
    assert table.loc[seen, "models"].str.endswith(said).all()
    assert (table["slices"] == slices["fold"].notna().sum()).all()


def test_slices_of_no_fold_take_the_minimum_and_are_neighbours_as_all_others(no_fold) -> None:
    slices = slices_of(no_fold)
    first_level = read_first_level(LABELS, all_tables(no_fold), slices)
    is_train, seen = slices["split"] == "train", slices["hu_crc32"].notna()
    least = first_level.ensemble[is_train & seen].min(axis=0)
    assert (first_level.ensemble[is_train & ~seen] == least).all()
    case = arrange(LABELS, slices, first_level.ensemble, CONFIG.folds, "")
    assert (case.folds == EVERY_FOLD).sum() == (is_train & ~seen).sum()
    assert len(case.folds) == len(slices)
    slices.loc[slices.index[is_train & seen][0], "fold"] = np.nan
    with pytest.raises(BadInput, match="1 training slices lack a label or the fold"):
        arrange(LABELS, slices, first_level.ensemble, CONFIG.folds, "")


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
