"""The loss that both networks minimise."""

from __future__ import annotations

from torch import Tensor

from hounsfield.competitions.rsna2019.labels import CLASS_WEIGHTS
from hounsfield.core.training.losses import known_cross_entropy


def hemorrhage_loss(logits: Tensor, labels: Tensor, weights: tuple[float, ...] = CLASS_WEIGHTS) -> Tensor:
    """The mean over the classes of binary cross-entropy, by their weights, for each slice: (..., C) -> (...).

    As published, (6 * BCE over all classes + BCE over `any` alone) / 7. An unknown label (NaN) counts 0.
    """
    losses = known_cross_entropy(logits, labels)
    total = len(weights) * losses.mean(dim=-1)
    for c, weight in enumerate(weights):
        if weight != 1:
            total = total + (weight - 1) * losses[..., c]
    return total / sum(weights)
