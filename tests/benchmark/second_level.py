"""The second level at full size: its features beside the plain loop, and what training one model takes.

Studies of 24 to 60 slices with random predictions: how they are laid out matters to the features, and to a tree only
that no value repeats. N slices.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.measurements import Line, fastest
from benchmark.sequences import LONGEST, SHORTEST
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.stacking.boosters import PACKAGES, Samples, not_installed, train_booster
from hounsfield.stacking.config import Booster, CatBoostConfig, LightGBMConfig, SecondLevelConfig, XGBoostConfig
from hounsfield.stacking.features import class_features, feature_names, index_studies
from reference.second_level_features import plain_features

NEIGHBOURS = 9


def synthetic_studies(slices: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The columns of the stacking slices that the features need, and predictions (N, C)."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(SHORTEST, LONGEST + 1, slices // SHORTEST + 1)
    ends = np.minimum(np.cumsum(lengths), slices)
    lengths = np.diff(ends, prepend=0)
    lengths = lengths[lengths > 0]
    starts = np.cumsum(lengths) - lengths
    size = np.repeat(lengths, lengths)
    order = np.arange(slices) - np.repeat(starts, lengths)
    table = pd.DataFrame({"series": np.repeat(np.arange(len(lengths)), lengths), "order": order})
    table = table.assign(
        image_id=np.char.mod("ID_%09x", np.arange(slices)).astype(object),
        slices_in_study=size,
        position_ord=((order + 1) / size).astype(np.float32),
        brain_ratio=rng.random(slices, np.float32),
    )
    return table, rng.random((slices, len(CLASSES)))


def feature_lines(*, slices: int, plain_slices: int, repeats: int) -> list[Line]:
    """Time the features of all six classes of `slices` slices.

    The plain algorithm makes those of one class for the first `plain_slices` slices, and is extrapolated by the slice.
    """
    table, predictions = synthetic_studies(slices)
    studies = index_studies(table, "synthetic")
    part = table.iloc[:plain_slices].assign(**dict(zip(CLASSES, predictions.T[:, :plain_slices], strict=True)))
    records: list[dict[str, Any]] = part.to_dict("records")  # type: ignore[assignment]

    def all_classes() -> None:
        for c in range(len(CLASSES)):
            class_features(predictions, c, studies, NEIGHBOURS)

    ours, slow = fastest([all_classes, lambda: plain_features(records, CLASSES[-1])], repeats)
    rate = len(CLASSES) * slices / ours
    reference = len(records) / slow
    return [
        Line(what="second-level features, all classes", measured=ours, unit="s", at_most=30,
             note=f"{slices} slices in {len(studies.starts)} studies, {len(CLASSES)} classes one after another"),
        Line(what="second-level features, against the plain loop", measured=rate, unit="slices/s",
             reference=reference, at_least=100,
             note=f"a slice counts once a class; the plain loop makes one class of {len(records)} slices, which is "
             f"{len(CLASSES) * slices / reference:.0f} s for what ours makes"),
    ]  # fmt: skip


def training_lines(*, rows: int, stop_rows: int, rounds: int, threads: int) -> list[Line]:
    """Time the training of one model (a class and fold) by each library that is installed.

    The round's seconds are the difference between `rounds` rounds and none but the first, over the rounds between.
    """
    table, predictions = synthetic_studies(rows + stop_rows)
    x = class_features(predictions, len(CLASSES) - 1, index_studies(table, "synthetic"), NEIGHBOURS)
    rng = np.random.default_rng(1)
    own = predictions[:, -1] + 0.3 * rng.normal(size=len(x))
    y = (own > np.quantile(own, 0.86)).astype(np.int8)  # about one slice in seven shows a bleed
    train, stop = Samples(x[:rows], y[:rows]), Samples(x[rows:], y[rows:])
    lines = []
    missing = not_installed(list(PACKAGES))
    for booster in PACKAGES:
        if booster in missing:
            continue
        first, whole = (_seconds(booster, train, stop, count, threads) for count in (1, rounds))
        most = getattr(SecondLevelConfig(), booster).rounds
        each = max(0.0, whole - first) / (rounds - 1)
        lines.append(
            Line(what=f"second level, {booster}, {rounds} rounds of one model", measured=whole, unit="s",
                 note=f"{rows} slices to learn from, {stop_rows} to stop by, {threads} threads; {first:.2f} s for the "
                 f"first round with what precedes it, {each:.4f} s for each of the others; at most {most} are made, "
                 f"which would be {first + each * (most - 1):.0f} s a class and fold")
        )  # fmt: skip
    return lines


def _seconds(booster: Booster, train: Samples, stop: Samples, rounds: int, threads: int) -> float:
    config = SecondLevelConfig(
        lightgbm=replace(LightGBMConfig(), rounds=rounds, patience=rounds),
        catboost=replace(CatBoostConfig(), rounds=rounds, patience=rounds),
        xgboost=replace(XGBoostConfig(), rounds=rounds, patience=rounds),
    )
    start = time.perf_counter()
    train_booster(booster, config, train, stop, feature_names(NEIGHBOURS, CLASSES), threads=threads)
    return time.perf_counter() - start
