"""A weighted mean over the steps of a sequence, with weights that are learnt. B sequences, T steps, W width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST_WEIGHT = 1e-10  # added to each step's, as published


class AttentionPool(nn.Module):
    """The weighted mean of states: e_t = tanh(h_t w + b_t), a_t = exp(e_t) / sum of exp(e) + 1e-10, sum of a_t h_t."""

    def __init__(self, width: int, steps: int) -> None:
        """steps: at most; each place in the sequence has a bias of its own."""
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, 1)))
        self.bias = nn.Parameter(torch.zeros(steps))

    def forward(self, states: Tensor, is_step: Tensor) -> Tensor:
        """states: (B, T, W), zero on padding. is_step: (B, T) bool, True in each sequence. Returns (B, W)."""
        scores = (states @ self.weight).squeeze(-1) + self.bias[: states.shape[1]]  # (B, T)
        shares = scores.float().tanh().exp() * is_step
        weights = shares / shares.sum(dim=1, keepdim=True) + LEAST_WEIGHT
        return (states * weights.unsqueeze(-1)).sum(dim=1)
