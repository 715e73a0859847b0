"""Recurrent layers over sequences of different lengths. B sequences, T steps of the longest, W wide, H hidden."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def run_packed(lstm: nn.LSTM, steps: Tensor, lengths: Tensor) -> Tensor:
    """The states of a bidirectional LSTM with `batch_first`: (B, T, W) -> (B, T, 2H), zero on padding.

    lengths: (B,) steps of each sequence, 1 or more; padding stands behind them, and no state runs over it.
    """
    packed = pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=steps.shape[1])[0]


def steps_within(lengths: Tensor, longest: int) -> Tensor:
    """Which steps are no padding: lengths (B,) -> (B, longest) bool."""
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)
