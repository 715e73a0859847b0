"""What the networks minimise (RSNA 2022, 3rd place, sections 3 to 5). B windows or studies, T triplets or slices."""

from __future__ import annotations

import torch
from torch import Tensor

from hounsfield.competitions.rsna2022.labels import STUDY_LOSS, VERTEBRAE
from hounsfield.core.training.losses import known_cross_entropy

# the columns of the fracture network's predictions and targets
SEGMENTATION = slice(0, len(VERTEBRAE))
FRACTURE = slice(len(VERTEBRAE), 2 * len(VERTEBRAE))
ANY = slice(2 * len(VERTEBRAE), 2 * len(VERTEBRAE) + 1)
FRACTURE_COLUMNS = ANY.stop


def localizer_losses(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """What a localiser is wrong by: (B, 5) both, box edges in shares and then presence, -> (B, 2) float32.

    The first column is the presence's cross-entropy, whose target is drawn in to `smoothing` and 1 - `smoothing`; the
    second the mean absolute error of the edges, 0 where a target has no box (NaN).
    """
    outputs, has_box = outputs.float(), targets[:, :4].isfinite().all(dim=1)
    presence = known_cross_entropy(outputs[:, 4], targets[:, 4].clamp(smoothing, 1 - smoothing))
    edges = (outputs[:, :4] - targets[:, :4].nan_to_num()).abs().mean(dim=1) * has_box
    return torch.stack([presence, edges], dim=1)


def doubled_squares(predictions: Tensor, targets: Tensor, threshold: float) -> Tensor:
    """The mean of each window's squared errors, which count double where the target is above `threshold`.

    predictions, targets: (B, T, C); a target of NaN (padding, or unknown) does not count. Returns (B,) float32; 0 where
    a window has no target. Published: double where the target is not 0, which rounding noise is not either.
    """
    known = targets.isfinite()
    squares = (predictions.float() - targets.nan_to_num()).square() * (1.0 + (targets > threshold).float()) * known
    return squares.sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)


def fracture_loss(predictions: Tensor, targets: Tensor, threshold: float) -> Tensor:
    """The sum of three losses: ratios, fractures, and any fracture. (B, T, FRACTURE_COLUMNS) both -> (B,) float32."""
    parts = [
        doubled_squares(predictions[..., one], targets[..., one], threshold) for one in (SEGMENTATION, FRACTURE, ANY)
    ]
    return torch.stack(parts).sum(dim=0)


def study_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The competition's loss of each study, from logits: both (B, 8) -> (B,) float32.

    An unknown label (NaN) does not count; 0 where none is known.
    """
    sides = torch.tensor([STUDY_LOSS.negative, STUDY_LOSS.positive], device=logits.device)  # (2, 8)
    weights = torch.where(labels > 0.5, sides[1], sides[0]) * labels.isfinite()
    total = (known_cross_entropy(logits, labels) * weights).sum(dim=1)
    return total / weights.sum(dim=1).clamp(min=1)  # the least weight is 1
