"""Stage 44 on slices without a label, a fold, a positive of their class or a table of the first level."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from second_level_runs import BOOSTERS, ONE, average, learn, read_table_of, slices_of

from first_level import CONFIG, EXPERIMENT, PLACES, all_tables, make_table, write_stacking_slices
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.stacking.ensemble import read_first_level
from hounsfield.stacking.features import class_features
from hounsfield.stacking.paths import boosters_folder, predictions_folder
from hounsfield.stacking.second_level import EVERY_FOLD, arrange


@pytest.fixture
def work(tmp_path: Path, first_level_work: Path) -> Path:
    """What stage 44 starts from."""
    return shutil.copytree(first_level_work, tmp_path / "work")


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
    frame = read_table_of(work, "lightgbm", "nested")
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
    frame = read_table_of(work, "lightgbm", "scored_fold")
    slices = slices_of(work)
    assert list(frame["image_id"]) == list(slices.loc[slices["fold"] != 1, "image_id"])
    assert not list(boosters_folder(work, EXPERIMENT, "lightgbm", "scored_fold").glob("fold1_*"))
    with pytest.raises(WrongUse, match="fold 3: there are 3; give 0 to 2"):
        learn(work, "--fold", 3)


@pytest.fixture
def no_fold(work: Path) -> Path:
    """What stage 44 starts from when slices without brain are in no fold."""
    write_stacking_slices(work, lambda table: table.assign(fold=table["fold"].where(table["hu_crc32"].notna())))
    for place in range(len(PLACES)):
        make_table(work, place)
    return work


@pytest.mark.slow
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
        frame = read_table_of(no_fold, "xgboost", stopping)
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
