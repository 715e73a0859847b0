"""The three libraries: what is learnt, kept and read back, and what happens where nothing can be learnt."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from hounsfield.core.errors import BadInput
from hounsfield.stacking.boosters import (
    PACKAGES,
    PRIOR,
    SUFFIXES,
    Samples,
    not_installed,
    predict_booster,
    prior_model,
    read_prior,
    train_booster,
    why_prior,
)
from hounsfield.stacking.config import CatBoostConfig, LightGBMConfig, SecondLevelConfig, XGBoostConfig

NAMES = [f"feature_{number}" for number in range(6)]
TELLING = 2  # the one feature that knows
CONFIG = SecondLevelConfig(
    lightgbm=LightGBMConfig(rounds=60, patience=10, learning_rate=0.3),
    catboost=CatBoostConfig(rounds=60, patience=10, learning_rate=0.5),
    xgboost=XGBoostConfig(rounds=60, patience=10, learning_rate=0.3),
)
each_booster = pytest.mark.parametrize("booster", list(PACKAGES))


def samples(count: int, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    x = rng.random((count, len(NAMES)), np.float32)
    y = (x[:, TELLING] + 0.3 * rng.normal(size=count) > 0.6).astype(np.int8)
    x[rng.random(x.shape) < 0.1] = np.nan
    return Samples(x, y)


TRAIN, STOP = samples(400, 0), samples(150, 1)


def train(booster, threads=1, **settings):
    config = replace(CONFIG, **{booster: replace(getattr(CONFIG, booster), **settings)})
    return train_booster(booster, config, TRAIN, STOP, NAMES, threads=threads)


@each_booster
def test_training_stops_early_and_the_best_round_is_kept(booster, tmp_path) -> None:
    trained = train(booster)
    assert 1 <= trained.rounds < 50
    path = tmp_path / f"model{SUFFIXES[booster]}"
    path.write_bytes(trained.content)
    p = predict_booster(booster, path, STOP.x, threads=1)
    assert (p.shape, p.dtype) == ((150,), np.float64)
    loss = -np.where(STOP.y, np.log(p), np.log1p(-p)).mean()
    share = TRAIN.y.mean()
    assert loss < 0.85 * -np.where(STOP.y, np.log(share), np.log1p(-share)).mean()


@pytest.mark.parametrize(
    ("booster", "seed"),
    [("lightgbm", "seed"), ("lightgbm", "bagging_seed"), ("catboost", "random_seed"), ("xgboost", "seed")],
)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(booster, seed) -> None:
    first = train(booster)
    assert train(booster).content == first.content
    assert trees(train(booster, **{seed: 5}).content) != trees(first.content)


def trees(content: bytes) -> object:
    """A model without the settings that its file may hold."""
    if not content.startswith(b"{"):
        return content.split(b"parameters:")[0]
    model = json.loads(content)
    return model.get("oblivious_trees") or model["learner"]["gradient_booster"]


def test_lightgbm_keeps_both_seeds_that_it_was_given() -> None:
    content = train("lightgbm").content
    assert b"[seed: 20]" in content
    assert b"[bagging_seed: 11]" in content


def test_exact_trees_cut_at_any_value_and_bins_only_at_their_own() -> None:
    x = np.arange(4000, dtype=np.float32)[:, np.newaxis]
    wrong = dict.fromkeys(("hist", "exact"), 0)
    for method in wrong:
        xgboost = XGBoostConfig(rounds=1, max_depth=1, tree_method=method, subsample=1.0, colsample_bytree=1.0)
        for step in range(1234, 1238):
            part = Samples(x, (x[:, 0] >= step).astype(np.int8))
            model = train_booster("xgboost", replace(CONFIG, xgboost=xgboost), part, part, ["place"], threads=1)
            (tree,) = json.loads(model.content)["learner"]["gradient_booster"]["model"]["trees"]
            wrong[method] += np.count_nonzero((x[:, 0] >= tree["split_conditions"][0]) != part.y)
    assert wrong["exact"] == 0 < wrong["hist"]
    assert train("xgboost", tree_method="exact").content == train("xgboost", tree_method="exact").content


@each_booster
def test_the_feature_that_tells_has_most_of_the_gain(booster) -> None:
    importance = train(booster).importance
    assert importance.argmax() == TELLING
    assert importance.sum() == pytest.approx(1)


@each_booster
def test_models_are_text_that_names_the_features_and_no_pickle(booster) -> None:
    content = train(booster).content.decode()
    assert "feature_2" in content
    if SUFFIXES[booster] == ".json":
        json.loads(content)


@each_booster
def test_a_library_that_is_not_installed_is_named_with_the_remedy(booster, monkeypatch) -> None:
    assert not_installed([booster]) == {}
    monkeypatch.setitem(sys.modules, booster, None)
    message = f"{booster} is not installed; install it with: pip install {PACKAGES[booster]}"
    assert not_installed(list(PACKAGES)) == {booster: message}


def test_a_library_that_lacks_the_systems_openmp_says_how_to_get_it(monkeypatch) -> None:
    def fail(name):
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("importlib.import_module", fail)
    assert not_installed(["lightgbm"])["lightgbm"].endswith("apt-get install libgomp1")


def test_catboost_leaves_nothing_in_the_working_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    train("catboost")
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_cannot_be_told_apart_is_said_to_be_so() -> None:
    negative, positive = (Samples(TRAIN.x, np.full(400, value, np.int8)) for value in (0, 1))
    nothing = Samples(TRAIN.x[:0], TRAIN.y[:0])
    assert why_prior(TRAIN, STOP) == ""
    assert why_prior(negative, STOP) == "the slices to learn from are all negative"
    assert why_prior(positive, STOP) == "the slices to learn from are all positive"
    assert why_prior(TRAIN, negative) == "the slices to stop by are all negative"
    assert why_prior(nothing, STOP) == "there is no slice to learn from"


def test_the_prior_that_stands_in_is_the_share_in_training(tmp_path) -> None:
    path = tmp_path / "prior.json"
    path.write_bytes(prior_model(TRAIN, len(NAMES)).content)
    assert predict_booster(PRIOR, path, STOP.x, threads=1) == pytest.approx(np.full(150, TRAIN.y.mean()))
    assert prior_model(TRAIN, 6).importance.tolist() == [0] * 6


@pytest.mark.parametrize("content", ["[]", "{}", '{"prior": 2}', '{"prior": "a"}'])
def test_a_file_that_is_no_prior_is_refused_by_name(tmp_path, content) -> None:
    path = tmp_path / "fold0_any.json"
    path.write_text(content)
    with pytest.raises(BadInput, match=r"fold0_any\.json is no prior"):
        read_prior(path)
