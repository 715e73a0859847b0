"""Gradient boosting by three libraries: train with early stopping, keep the best round, predict from the model's file.

A model is a file in the library's own text or JSON format, and prediction always reads that file: a run that goes on
with models on disk ends as one that was never stopped. The libraries are imported where they are used, since one can
do without the others. n slices, F features.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hounsfield.core.errors import BadInput
from hounsfield.core.storage.files import read_json
from hounsfield.stacking.config import Booster, CatBoostConfig, LightGBMConfig, SecondLevelConfig, XGBoostConfig

PRIOR = "prior"  # what stands in for a model of a class that cannot be learnt
PACKAGES: dict[Booster, str] = {"lightgbm": "lightgbm", "catboost": "catboost", "xgboost": "xgboost-cpu"}
SUFFIXES: dict[str, str] = {"lightgbm": ".txt", "catboost": ".json", "xgboost": ".json", PRIOR: ".json"}
# of CatBoost's account of its training: the rest (a random name, the time, the losses) differs from run to run
KEPT_BY_CATBOOST = ("catboost_version_info", "class_params", "params")


class Samples(NamedTuple):
    """Slices to learn from, or to stop early by."""

    x: np.ndarray  # (n, F) float32, NaN where a neighbour does not exist
    y: np.ndarray  # (n,) int8, 0 or 1


class Trained(NamedTuple):
    """A model, cut after its best round."""

    content: bytes  # of its file
    rounds: int
    importance: np.ndarray  # (F,) each feature's share of the gain, which sum up to 1; zeros for a model of no splits


def not_installed(boosters: Sequence[Booster]) -> dict[Booster, str]:
    """Those of the libraries that cannot be imported, each with the fact and the remedy."""
    found: dict[Booster, str] = {}
    for booster in boosters:
        try:
            importlib.import_module(booster)
        except ImportError:
            found[booster] = f"{booster} is not installed; install it with: pip install {PACKAGES[booster]}"
        except OSError as error:  # LightGBM's wheel leaves the OpenMP library to the system
            found[booster] = f"{booster} cannot be loaded ({error}); on Debian and Ubuntu: apt-get install libgomp1"
    return found


def distribution(booster: Booster) -> str:
    """The installed package that the library comes in: the one of requirements.txt, or the one of its own name."""
    with suppress(metadata.PackageNotFoundError):
        metadata.version(PACKAGES[booster])
        return PACKAGES[booster]
    return booster


def train_booster(
    booster: Booster,
    config: SecondLevelConfig,
    train: Samples,
    stop: Samples,
    names: Sequence[str],
    *,
    threads: int,
) -> Trained:
    """Train one model on `train` until the log loss on `stop` has not fallen for the configured number of rounds.

    names: of the F features. The same arguments give the same bytes, on a CPU with the same number of threads.
    """
    if booster == "lightgbm":
        return train_lightgbm(config.lightgbm, train, stop, names, threads)
    if booster == "catboost":
        return train_catboost(config.catboost, train, stop, names, threads)
    return train_xgboost(config.xgboost, train, stop, names, threads)


def train_lightgbm(
    config: LightGBMConfig, train: Samples, stop: Samples, names: Sequence[str], threads: int
) -> Trained:
    """LightGBM; the model is its text."""
    import lightgbm

    classifier = lightgbm.LGBMClassifier(
        **_own(config),
        n_estimators=config.rounds,
        objective="binary",
        random_state=config.seed,
        n_jobs=threads,
        deterministic=True,
        force_row_wise=True,  # which of two ways is faster is otherwise measured, and differs from run to run
        verbosity=-1,
    )
    stopping = lightgbm.early_stopping(config.patience, verbose=False)
    classifier.fit(*train, eval_X=stop.x, eval_y=stop.y, feature_name=list(names), callbacks=[stopping])
    model, best = classifier.booster_, classifier.best_iteration_
    gain = model.feature_importance("gain", iteration=best)
    return Trained(model.model_to_string(num_iteration=best).encode(), best, _shares(gain))


def train_catboost(
    config: CatBoostConfig, train: Samples, stop: Samples, names: Sequence[str], threads: int
) -> Trained:
    """CatBoost; the model is its JSON. It has no gain: the importance is how much a feature moves the prediction."""
    import catboost

    model = catboost.CatBoostClassifier(
        **_own(config),
        iterations=config.rounds,
        early_stopping_rounds=config.patience,
        thread_count=threads,
        allow_writing_files=False,  # it would leave a folder of its own where the stage was started
        logging_level="Silent",
    )
    learnt, watched = (catboost.Pool(*samples, feature_names=list(names)) for samples in (train, stop))
    model.fit(learnt, eval_set=watched)
    with tempfile.TemporaryDirectory() as folder:  # the library writes JSON to files only
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        content = json.loads(path.read_bytes())
    content["model_info"] = {name: content["model_info"][name] for name in KEPT_BY_CATBOOST}
    gain = np.asarray(model.get_feature_importance(type="PredictionValuesChange"))
    return Trained(json.dumps(content, separators=(",", ":")).encode(), model.tree_count_, _shares(gain))


def train_xgboost(config: XGBoostConfig, train: Samples, stop: Samples, names: Sequence[str], threads: int) -> Trained:
    """XGBoost; the model is its JSON."""
    import xgboost

    classifier = xgboost.XGBClassifier(
        **_own(config),
        n_estimators=config.rounds,
        early_stopping_rounds=config.patience,
        eval_metric="logloss",
        random_state=config.seed,
        n_jobs=threads,
    )
    classifier.fit(*train, eval_set=[tuple(stop)], verbose=False)
    best = classifier.get_booster()[: classifier.best_iteration + 1]
    best.feature_names = list(names)
    gain = best.get_score(importance_type="total_gain")
    shares = _shares(np.array([gain.get(name, 0) for name in names]))
    return Trained(bytes(best.save_raw("json")), best.num_boosted_rounds(), shares)


def predict_booster(made_by: str, path: Path, x: np.ndarray, *, threads: int) -> np.ndarray:
    """Probabilities by the model in the file at `path`, (n,) float64. made_by: a library, or `prior`."""
    if made_by == PRIOR:
        return np.full(len(x), read_prior(path))
    if made_by == "lightgbm":
        import lightgbm

        return np.asarray(lightgbm.Booster(model_file=str(path)).predict(x, num_threads=threads), np.float64)
    if made_by == "catboost":
        import catboost

        cat = catboost.CatBoost()
        cat.load_model(str(path), format="json")
        return np.asarray(cat.predict(x, prediction_type="Probability", thread_count=threads), np.float64)[:, 1]
    import xgboost

    model = xgboost.Booster({"nthread": threads})
    model.load_model(str(path))
    return np.asarray(model.inplace_predict(x, validate_features=False), np.float64)


def why_prior(train: Samples, stop: Samples) -> str:
    """Why a class cannot be learnt from these slices; empty where it can.

    A part without a positive or without a negative slice has nothing to tell apart, or to stop by.
    """
    for part, samples in (("learn from", train), ("stop by", stop)):
        if not len(samples.y):
            return f"there is no slice to {part}"
        if samples.y.min() == samples.y.max():
            return f"the slices to {part} are all {'positive' if samples.y[0] else 'negative'}"
    return ""


def prior_model(train: Samples, features: int) -> Trained:
    """What stands in for a class that cannot be learnt: the share of positive slices."""
    share = float(train.y.mean(dtype=np.float64)) if len(train.y) else 0.5
    return Trained((json.dumps({PRIOR: share}) + "\n").encode(), 0, np.zeros(features))


def read_prior(path: Path) -> float:
    """The probability that `prior_model` left at `path`."""
    content = read_json(path)
    share = content.get(PRIOR) if isinstance(content, dict) else None
    if not isinstance(share, float | int) or not 0 <= share <= 1:
        raise BadInput(f"{path} is no prior; train it again with --force")
    return float(share)


def _own(config: LightGBMConfig | CatBoostConfig | XGBoostConfig) -> dict[str, Any]:
    """The settings that the library knows by the same name."""
    return {name: value for name, value in asdict(config).items() if name not in ("rounds", "patience", "seed")}


def _shares(gain: np.ndarray) -> np.ndarray:
    total = gain.sum()
    return gain / total if total > 0 else np.zeros(len(gain))
