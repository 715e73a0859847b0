"""The loss that both networks minimise, and the score that both are held against."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from hounsfield.competitions.rsna2019.labels import CLASS_WEIGHTS, CLASSES, PROBABILITY_CLIP
from hounsfield.core.metrics import auc_by_class, weighted_log_loss

ANY = CLASSES.index("any")


def hemorrhage_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(6 * BCE over all classes + BCE over `any` alone) / 7 for each slice: (..., 6) -> (...)."""
    losses = F.binary_cross_entropy_with_logits(logits.float(), labels, reduction="none")
    return (6 * losses.mean(dim=-1) + losses[..., ANY]) / 7


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Weighted log loss and the AUC of each class, by name; None where a class has one label only."""
    loss = weighted_log_loss(probabilities, labels, CLASS_WEIGHTS, clip=PROBABILITY_CLIP).mean()
    areas = auc_by_class(probabilities, labels)
    named = {f"auc_{name}": None if np.isnan(area) else float(area) for name, area in zip(CLASSES, areas, strict=True)}
    return {"weighted_log_loss": float(loss), **named}
