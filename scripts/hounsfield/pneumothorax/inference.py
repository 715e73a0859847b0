"""Probability maps by several networks, all from one decoding of each film (section 8).

B films of a batch, N in all, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from hounsfield.core.training.batches import ImageBatch, Images
from hounsfield.core.training.by_fold import fill_by_fold
from hounsfield.core.training.devices import Devices
from hounsfield.pneumothorax.config import MapsConfig, NetworkConfig
from hounsfield.pneumothorax.maps import as_stored
from hounsfield.pneumothorax.networks import network_input


class Networks(NamedTuple):
    """Networks of one kind that see the same films."""

    config: NetworkConfig
    members: Sequence[nn.Module]  # on the device


def write_maps(
    path: Path,
    images: Images,
    folds: np.ndarray,
    networks_of: Callable[[int], Networks],
    config: MapsConfig,
    devices: Devices,
) -> None:
    """Write the maps of all films to `path`, (N, S, S), in the type that the configuration says.

    images: the films, (S, S) uint8. folds: (N,) of each film. networks_of: by fold, the networks whose mean its
    films get. A killed run goes on with the blocks that are missing.
    """
    fill_by_fold(
        path, images, folds, networks_of, partial(mean_map, config, devices), devices,
        workers=config.workers, batch_size=config.batch_size, block_batches=config.block_batches,
        remedy="try --maps.precision fp32, or train again", stored=partial(as_stored, dtype=config.dtype),
    )  # fmt: skip


@torch.inference_mode()
def mean_map(config: MapsConfig, devices: Devices, networks: Networks, batch: ImageBatch) -> np.ndarray:
    """The mean over networks, and over each film and its mirror image, (B, S, S) float32."""
    images = network_input(batch.images, networks.config)
    views = [images, images.flip(-1)] if config.flip else [images]
    total = torch.zeros(batch.images.shape, device=devices.device)
    for network in networks.members:
        for number, view in enumerate(views):
            with devices.autocast():
                logits = network(view.contiguous(memory_format=torch.channels_last))
            probabilities = logits.float().sigmoid()[:, 0]
            total += probabilities.flip(-1) if number else probabilities
    return (total / (len(networks.members) * len(views))).cpu().numpy()
