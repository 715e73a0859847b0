"""How much of each vertebra the slices of studies show, by networks that have not learnt from them (stage 53).

N windows of all studies, n of one, L slices of a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hounsfield.competitions.rsna2022.labels import VERTEBRAE as NAMES
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training.devices import Devices
from hounsfield.spine.config import WindowsConfig
from hounsfield.spine.neck_runs import write_answers
from hounsfield.spine.network_run import Trained
from hounsfield.spine.networks.ratio import RatioNetwork
from hounsfield.spine.ratio_training import RatioRun, ratio_studies, windows_of
from hounsfield.spine.slice_window_data import Window
from hounsfield.spine.slice_window_training import windows_at_a_time
from hounsfield.spine.slice_windows import window_starts
from hounsfield.spine.tables import FRACTURE_TARGETS, PSEUDO_SCHEMA, RATIO_PREDICTIONS

RatioNetworks = Mapping[int, Sequence[Trained[RatioRun]]]  # by the fold that they answer for


def predict_windows(
    path: Path, data: Upstream, boxes: Upstream, studies: pd.DataFrame, by_fold: RatioNetworks, devices: Devices
) -> None:
    """Write what one model says of each window of studies to `path`, (N, L, 7) float32; a killed run goes on.

    studies: their rows, fold by fold. by_fold: the model's networks that answer for a fold's studies, and are averaged.
    """
    run = next(iter(by_fold.values()))[0].run
    config, opened = run.config, ratio_studies(run, data, boxes, studies, None)
    windows = windows_of(run, data, opened, [config.windows.predict_step] * len(opened))
    folds = studies["fold"].to_numpy(np.int64)[windows.rows[:, 0]]
    write_answers(
        path, windows, folds, by_fold, RatioRun.build, partial(mean_prediction, devices), devices,
        workers=config.workers, batch_size=windows_at_a_time(run.model.optimizer),
    )  # fmt: skip


def ratio_curves(path: Path, studies: pd.DataFrame, config: WindowsConfig) -> list[np.ndarray]:
    """What one model says of each study, (slices, 7) float32, out of what `predict_windows` wrote to `path`."""
    predictions, curves, first = open_array(path), [], 0
    for count in studies["slices"].tolist():
        starts = window_starts(count, config.slices, config.predict_step)
        curves.append(mean_over_windows(predictions[first : first + len(starts)], starts, count))
        first += len(starts)
    return curves


def mean_over_windows(predictions: np.ndarray, starts: np.ndarray, count: int) -> np.ndarray:
    """What the windows of one study say of each slice, on average: (n, L, 7) -> (count, 7) float32.

    starts: (n,) the first slice of each window. What is behind the study's end is left out.
    """
    total, seen = np.zeros((count, predictions.shape[2])), np.zeros((count, 1))
    for window, start in zip(predictions, starts.tolist(), strict=True):
        length = min(len(window), count - start)
        total[start : start + length] += window[:length]
        seen[start : start + length] += 1
    return (total / seen).astype(np.float32)


@torch.inference_mode()
def mean_prediction(devices: Devices, networks: Sequence[RatioNetwork], batch: Window) -> np.ndarray:
    """The mean over networks of a batch of windows, (B, L, 7) float32; 0 on padding."""
    total = torch.zeros(*batch.positions.shape, len(NAMES), device=devices.device)
    for network in networks:
        with devices.autocast():
            predictions = network(batch.triplets, batch.positions)
        total += predictions.float() * batch.positions.isfinite().unsqueeze(-1)
    return (total / len(networks)).cpu().numpy()


def pseudo_labels(
    studies: pd.DataFrame, curves: Sequence[Sequence[np.ndarray]], models: Sequence[str], decimals: int | None
) -> pd.DataFrame:
    """The rows of PSEUDO_SCHEMA, study after study and from head to feet.

    studies: their rows, with labels. curves: of each model, (slices, 7) of each study; their mean is cut to 0..1.
    models: of each study, which made its rows. decimals: that are kept; None: all.
    """
    tables = []
    labels = studies[list(NAMES)].to_numpy(np.float32, na_value=np.nan)
    for place, uid in enumerate(studies["study_uid"]):
        ratios = np.mean([of_model[place] for of_model in curves], axis=0, dtype=np.float64).clip(0, 1)
        fractures = ratios * labels[place]
        if decimals is not None:
            ratios, fractures = ratios.round(decimals), fractures.round(decimals)
        table = pd.DataFrame({"study_uid": uid, "slice": np.arange(len(ratios)), "models": models[place]})
        table[list(RATIO_PREDICTIONS)], table[list(FRACTURE_TARGETS)] = ratios, fractures
        tables.append(table[PSEUDO_SCHEMA.names])
    return pd.concat(tables).sort_values(["study_uid", "slice"], ignore_index=True)
