"""What the networks minimise (SIIM-ACR 2019, 1st place, section 5). B films, S pixels a side.

Dice is taken over all films of a forward pass together, in all processes, as the published DataParallel did: its value
follows from two sums, and so does its gradient. Each process needs the sums alone of the others.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hounsfield.pneumothorax.config import LossConfig

DICE_EPSILON = 1e-6
FOCAL_CLAMP = 1e-8  # its upper counterpart, 1 - 1e-8, is 1 in float32
LOWEST = 1e-5  # of the weighted sum


def combo_loss(
    logits: Tensor, masks: Tensor, counted: Tensor, config: LossConfig, total: Callable[[Tensor], Tensor]
) -> Tensor:
    """The weighted sum of binary cross-entropy, Dice and focal loss, as a share for each film: (B,) float32.

    logits: (B, 1, S, S), of any precision. masks: (B, S, S) of 0 and 1. counted: (B,), 0 for a film that only keeps its
    process in step with the others. total: sums a tensor over the processes. The mean of the shares over the counted
    films of all processes is the published loss, and its gradient the published gradient.
    """
    x, t = logits.squeeze(1).float(), masks.float()
    p = x.sigmoid()
    pointwise = config.bce * binary_cross_entropy(x, t) + config.focal * focal_loss(x, t)  # (B,)
    overlap, size = (p * t).sum(dim=(1, 2)), p.sum(dim=(1, 2)) + t.sum(dim=(1, 2))  # (B,)
    of_films = torch.stack([overlap, size, pointwise, torch.ones_like(size)]).detach().double()
    overlaps, sizes, points, films = total((of_films * counted.double()).sum(dim=1)).float().unbind()
    numerator, denominator = 2 * overlaps + DICE_EPSILON, sizes + DICE_EPSILON
    dice = 1 - numerator / denominator
    # zero, with the gradient of this film's part in both sums
    share = (size - size.detach()) * numerator / denominator**2 - (overlap - overlap.detach()) * 2 / denominator
    losses = pointwise + config.dice * (dice + films * share)
    return torch.where(points / films + config.dice * dice < LOWEST, 0 * losses + LOWEST, losses)


def binary_cross_entropy(x: Tensor, t: Tensor) -> Tensor:
    """The mean over each film's pixels: logits and masks (B, S, S) -> (B,)."""
    return F.binary_cross_entropy_with_logits(x, t, reduction="none").mean(dim=(1, 2))


def focal_loss(x: Tensor, t: Tensor) -> Tensor:
    """-(1 - q)^2 ln q, where q is the probability of what is true: logits and masks (B, S, S) -> (B,).

    Probabilities and targets are clamped to 1e-8 and 1 - 1e-8. q comes from the logit: in float32, 1 - p
    is off by a hundredth where p is near 1.
    """
    signed = (2 * t - 1) * x
    true = signed.sigmoid().clamp(min=FOCAL_CLAMP)
    leak = FOCAL_CLAMP * (1 - 2 * true)  # of the clamped target
    return (-(((-signed).sigmoid() - leak) ** 2) * (true + leak).log()).mean(dim=(1, 2))
