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

from hounsfield.core.errors import BadInput
from hounsfield.core.training.batches import UNAUGMENTED, Images, load_batches
from hounsfield.core.training.blocks import fill_arrays
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
    """For each batch of row numbers its maps, (B, S, S) as they are stored.

    Rows stand fold by fold, so the networks change rarely; a batch that holds two folds is cut in two.
    """
    held: tuple[int, Networks] | None = None
    keys = [(UNAUGMENTED, rows) for rows in batches]
    loader = load_batches(images, keys, workers=config.workers, device=devices.device)
    for rows, batch in zip(batches, loader, strict=True):
        films = batch.images.to(devices.device, non_blocking=True)
        parts = []
        for fold in dict.fromkeys(folds[rows].tolist()):
            if held is None or held[0] != fold:
                held = (fold, networks_of(fold))
            own = torch.from_numpy(folds[rows] == fold).to(films.device)
            parts.append(mean_map(held[1], films[own], devices, flip=config.flip).cpu().numpy())
        probabilities = np.concatenate(parts)
        _refuse_nan(probabilities, images.image_ids(rows))
        yield [as_stored(probabilities, config.dtype)]


def _refuse_nan(probabilities: np.ndarray, film_ids: Sequence[str]) -> None:
    finite = np.isfinite(probabilities).all(axis=(1, 2))
    if not finite.all():
        wrong = [film for film, fine in zip(film_ids, finite, strict=True) if not fine]
        raise BadInput(
            f"the networks give no numbers (NaN) for {', '.join(wrong)}: their training has diverged, or half "
            "precision is too little; try --maps.precision fp32, or train again"
        )
