"""What the classifiers minimise (RSNA 2019, 11th place, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from hounsfield.competitions.rsna2019.labels import CLASS_WEIGHTS
from hounsfield.core.training.losses import known_cross_entropy


def stacking_loss(logits: Tensor, labels: Tensor, class_weights: tuple[float, ...] = CLASS_WEIGHTS) -> Tensor:
    """The mean over the classes of binary cross-entropy times the class's weight, 2 for `any`: (B, C) -> (B,).

    The weights do not sum to one: as published, a loss is 7/6 of the competition's metric. An unknown label (NaN)
    counts 0.
    """
    weights = torch.as_tensor(class_weights, dtype=torch.float32, device=logits.device)
    return (known_cross_entropy(logits, labels) * weights).mean(dim=-1)
