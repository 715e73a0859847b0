"""The loss that both networks minimise."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from hounsfield.competitions.rsna2019.labels import CLASSES

ANY = CLASSES.index("any")


def hemorrhage_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(6 * BCE over all classes + BCE over `any` alone) / 7 for each slice: (..., 6) -> (...)."""
    losses = F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
    return (6 * losses.mean(dim=-1) + losses[..., ANY]) / 7
