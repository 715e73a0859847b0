"""Probability maps by several networks, all from one decoding of each film (section 8).

B films of a batch, N in all, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hounsfield.core.training.batches import ImageBatch, Images
from hounsfield.core.training.blocks import fill_arrays
from hounsfield.core.training.by_fold import predict_by_fold
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
    compute = partial(_map_batches, images, folds, networks_of, config, devices)
    size, block = config.batch_size, config.block_batches
    fill_arrays([path], len(images), compute, devices, batch_size=size, block_batches=block)


@torch.inference_mode()
def mean_map(networks: Networks, films: Tensor, devices: Devices, *, flip: bool) -> Tensor:
    """The mean over networks, and over each film and its mirror image: (B, S, S) uint8 -> (B, S, S) float32."""
    images = network_input(films, networks.config)
    views = [images, images.flip(-1)] if flip else [images]
    total = torch.zeros(films.shape, device=films.device)
    for network in networks.members:
        for number, view in enumerate(views):
            with devices.autocast():
                logits = network(view.contiguous(memory_format=torch.channels_last))
            probabilities = logits.float().sigmoid()[:, 0]
            total += probabilities.flip(-1) if number else probabilities
    return total / (len(networks.members) * len(views))


def _map_batches(
    images: Images,
    folds: np.ndarray,
    networks_of: Callable[[int], Networks],
    config: MapsConfig,
    devices: Devices,
    batches: Sequence[np.ndarray],
) -> Iterator[list[np.ndarray]]:
    """For each batch of row numbers its maps, (B, S, S) as they are stored."""
    found = predict_by_fold(
        images, folds, networks_of, partial(_mean_maps, config, devices), batches,
        workers=config.workers, device=devices.device, remedy="try --maps.precision fp32, or train again",
    )  # fmt: skip
    for probabilities in found:
        yield [as_stored(probabilities, config.dtype)]


def _mean_maps(config: MapsConfig, devices: Devices, networks: Networks, batch: ImageBatch) -> np.ndarray:
    return mean_map(networks, batch.images, devices, flip=config.flip).cpu().numpy()
