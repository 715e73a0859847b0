"""Where in a study the fracture networks of stage 54 see a fracture. N slices, C = FRACTURE_COLUMNS.

A study's own probabilities are those of stage 55, whose networks have these networks' eyes and other heads. What these
heads say slice by slice is shown beside it, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from hounsfield.core.errors import MissingInput
from hounsfield.core.logs import logger
from hounsfield.core.stages.outputs import Provenance, output, to_replace
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.arrays import open_array, write_array
from hounsfield.core.training.batches import shared_batches
from hounsfield.core.training.by_fold import refuse_nan
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.spine.fracture_run import FractureRun
from hounsfield.spine.fracture_training import windows_of
from hounsfield.spine.losses import ANY, FRACTURE, SEGMENTATION
from hounsfield.spine.network_run import Trained, with_weights
from hounsfield.spine.paths import PREDICT
from hounsfield.spine.ratio_inference import mean_over_windows
from hounsfield.spine.slice_window_data import WindowStudy
from hounsfield.spine.slice_window_training import windows_at_a_time
from hounsfield.spine.slice_windows import TRIPLET


class SliceHeads(NamedTuple):
    """What one model says of each slice of a study, cut to 0 to 1."""

    fractures: np.ndarray  # (N, 8) how much of any vertebra's fracture, then of that of C1 to C7, the slice shows
    vertebrae: np.ndarray  # (N, 7) how much of each vertebra it shows


def slice_heads(
    folder: Path, answers: Upstream, runs: Sequence[FractureRun], study: WindowStudy, volume_remedy: str
) -> dict[str, SliceHeads]:
    """By model, the mean over its networks, which is computed once and kept in `folder`.

    A model that is not there any more is left out, with a word on it: once the study networks are trained, nothing but
    this needs the networks that they were made over. answers: of stage 56, which these stand beside. runs: of the
    networks behind the study's answer. volume_remedy: the command that makes the volumes.
    Raises BadInput where a network gives no numbers.
    """
    networks = _networks(runs)
    inputs = {"answers": answers.as_input()}
    inputs |= {f"fracture network {run.key.name}": found.as_input() for own in networks.values() for run, found in own}
    provenance = Provenance(PREDICT, {}, inputs, libraries=("torch", "timm"))
    with output(folder, provenance, force=to_replace(folder, provenance), remedy=answers.remedy) as out:
        if not out.finished:
            _compute(out.folder, networks, study, volume_remedy)
            out.finish([f"{name}.npy" for name in networks])
        said = {name: open_array(out.folder / f"{name}.npy", remedy=answers.remedy) for name in networks}
        return {name: _heads(np.array(values)) for name, values in said.items()}


def _heads(values: np.ndarray) -> SliceHeads:
    return SliceHeads(np.concatenate([values[:, ANY], values[:, FRACTURE]], axis=1), values[:, SEGMENTATION])


def _networks(runs: Sequence[FractureRun]) -> dict[str, list[Trained[FractureRun]]]:
    """The networks of each model that has all of its own."""
    found = {}
    for name in dict.fromkeys(run.key.model.name for run in runs):
        try:
            found[name] = [Trained(run, run.network()) for run in runs if run.key.model.name == name]
        except MissingInput as error:
            logger.info("no values of slices by the fracture network %s: %s", name, error)
    return found


def _compute(
    folder: Path,
    networks: Mapping[str, Sequence[Trained[FractureRun]]],
    study: WindowStudy,
    volume_remedy: str,
) -> None:
    """Write an array (N, C) float32 for each model."""
    for name, own in networks.items():
        config = own[0].run.config
        with open_devices(config.precision, config.threads) as devices:
            said = [_predictions(one, study, devices, volume_remedy) for one in own]
        write_array(folder / f"{name}.npy", np.mean(said, axis=0, dtype=np.float32).clip(0, 1))


@torch.inference_mode()
def _predictions(network: Trained[FractureRun], study: WindowStudy, devices: Devices, volume_remedy: str) -> np.ndarray:
    """What one network says of each slice, (N, C) float32; a triplet speaks for its slices.

    The windows cover the study once, but for the last, which ends with the study.
    """
    run, said = network.run, []
    trained = devices.place(with_weights(run.build(), network.output))
    windows = windows_of(run, [study], run.config.windows.slices, volume_remedy)
    for _, batch in shared_batches(windows, windows_at_a_time(run.key.model.optimizer), devices, workers=0):
        with devices.autocast():
            of_batch = trained(batch.triplets.to(devices.device), batch.positions.to(devices.device))
        said.append(of_batch.float().cpu().numpy())
    triplets = np.concatenate(said)  # (windows, triplets of one, C)
    found = mean_over_windows(np.repeat(triplets, TRIPLET, axis=1), windows.rows[:, 1], len(study.targets))
    refuse_nan(found[np.newaxis], [study.study_uid], f"try --precision fp32, or train again: {run.remedy}")
    return found
