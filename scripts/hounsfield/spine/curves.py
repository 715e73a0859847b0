"""Where the vertebrae of studies without labels lie, for findings and pictures; no probability depends on it.

The published system has no such curves: what it answers needs no ratio network. Here the first model's first seed
answers, and not the mean over models and seeds that labels the training studies: of a neck of 300 slices the five
networks of the published size look at 14 windows of 32 images each, 2,240 images; all 45 would look at 20,160, where
the ten study networks behind the probabilities look at 1,000 together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.tables import TEST_FOLD
from hounsfield.core.stages.command import on_training_set
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.training.devices import Devices
from hounsfield.spine.network_run import Trained
from hounsfield.spine.ratio_inference import predict_windows, pseudo_labels, ratio_curves
from hounsfield.spine.ratio_training import RatioRun, ratio_runs
from hounsfield.spine.remedies import SpineCommand


def curve_networks(command: SpineCommand) -> list[Trained[RatioRun]]:
    """The networks of all folds. Raises MissingInput or StaleOutput, with the command that trains them."""
    training = on_training_set(command)
    model, seed = command.config.vertebrae.models[0], command.config.vertebrae.seeds[0]
    runs = ratio_runs(training, model, [str(fold) for fold in command.config.folds])
    return [Trained(run, run.network()) for run in runs if run.key.seed == seed]


def predict_curves(
    path: Path,
    networks: Sequence[Trained[RatioRun]],
    data: Upstream,
    boxes: Upstream,
    studies: pd.DataFrame,
    devices: Devices,
) -> pd.DataFrame:
    """The rows of PSEUDO_SCHEMA, with no fracture, of studies that none of the networks has learnt from.

    path: where what they say of each window is kept, in case the run is killed. studies: rows of the data set's table.
    """
    asked = studies.assign(**dict.fromkeys(NAMES, np.nan), fold=TEST_FOLD)
    predict_windows(path, data, boxes, asked, {TEST_FOLD: networks}, devices)
    curves = ratio_curves(path, asked, networks[0].run.config.windows)
    names = " ".join(dict.fromkeys(one.run.key.name for one in networks))
    return pseudo_labels(asked, [curves], [names] * len(asked), None)
