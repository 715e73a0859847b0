"""What the classifiers minimise (RSNA 2019, 11th place, section 4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hounsfield.competitions.rsna2019.labels import CLASS_WEIGHTS


def stacking_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean over the classes of binary cross-entropy times the class's weight, 2 for `any`: (B, 6) -> (B,).

    The weights do not sum to one: as published, a loss is 7/6 of the competition's metric.
    """
    weights = torch.as_tensor(CLASS_WEIGHTS, dtype=torch.float32, device=logits.device)
    return (F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none") * weights).mean(dim=-1)
