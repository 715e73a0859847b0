"""An epoch's score: mean Dice over the validation films, by the best of several rules (section 7).

B films, N in all, S pixels a side, K triplets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hounsfield.core.training.batches import Images, shared_batches
from hounsfield.core.training.devices import Devices
from hounsfield.pneumothorax.config import NetworkConfig, Triplet
from hounsfield.pneumothorax.networks import network_input
from hounsfield.pneumothorax.rules import least_pixels

DICE_EPSILON = 1e-6  # two empty masks score 1, an empty and another one next to nothing


def dice_by_triplet(probabilities: Tensor, masks: Tensor, triplets: Sequence[Triplet]) -> Tensor:
    """Each film's Dice by each rule, (B, K) float64: probabilities (B, S, S), masks (B, S, S) of 0 and 1."""
    above = {value: probabilities > value for one in triplets for value in (one.top, one.bottom)}
    counts = {value: mask.sum(dim=(1, 2)) for value, mask in above.items()}  # (B,)
    true = masks.sum(dim=(1, 2)).double()
    pixels, found = probabilities.shape[1] * probabilities.shape[2], []
    for one in triplets:
        shown = (counts[one.top] >= least_pixels(one, pixels)).double()
        overlap = (above[one.bottom] & masks.bool()).sum(dim=(1, 2)) * shown
        found.append((2 * overlap + DICE_EPSILON) / (counts[one.bottom] * shown + true + DICE_EPSILON))
    return torch.stack(found, dim=1)


def epoch_scores(dice: np.ndarray, positive: np.ndarray, triplets: Sequence[Triplet]) -> dict[str, Any]:
    """The best rule's mean Dice over all films, over the positive ones, and every rule's. dice: (N, K). positive: (N,).

    Of equally good rules the first is the best. The mean is over films, so that a short last batch weighs no more.
    """
    means = dice.mean(axis=0)
    best = int(means.argmax())
    return {
        "dice": float(means[best]),
        "dice_positive": float(dice[positive, best].mean()),
        "triplet": asdict(triplets[best]),
        "dice_by_triplet": means.tolist(),
    }


@torch.no_grad()
def score_films(
    network: nn.Module,
    config: NetworkConfig,
    films: Images,
    triplets: Sequence[Triplet],
    devices: Devices,
    *,
    batch_size: int,
    workers: int,
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """This process's share of the films, in order: row numbers (B,) and their Dice by each rule (B, K)."""
    network.eval()
    for rows, batch in shared_batches(films, batch_size, devices, workers=workers):
        with devices.autocast():
            logits = network(network_input(batch.images.to(devices.device, non_blocking=True), config))
        yield rows, dice_by_triplet(logits[:, 0].float().sigmoid(), batch.labels.to(devices.device), triplets)
