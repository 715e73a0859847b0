"""Losses over labels of which some may not be known."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def known_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of each label, float32; 0, and without a gradient, where the label is NaN. Both (..., C)."""
    losses = F.binary_cross_entropy_with_logits(logits.float(), labels.nan_to_num(), reduction="none")
    return losses * labels.isfinite()
