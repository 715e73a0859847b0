"""The network over a study's slices (RSNA 2022, 3rd place, section 5).

B studies, T triplets of slices of the longest, F features of a triplet, H hidden units per direction, C names.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.core.training.recurrent import run_packed, steps_within
from hounsfield.spine.networks.attention import AttentionPool


class StudyNetwork(nn.Module):
    """One bidirectional LSTM layer; its states' maximum and their weighted mean; a logit for each name.

    The published one ran over the padding, too, and took it into the maximum.
    """

    def __init__(self, width: int, hidden: int, steps: int) -> None:
        """width: F. hidden: H. steps: the longest sequence that it takes."""
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, bidirectional=True, batch_first=True)
        self.attention = AttentionPool(2 * hidden, steps)
        self.head = nn.Linear(4 * hidden, len(NAMES))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """features: (B, T, F), as `padded` gives them. lengths: (B,) triplets of each study. Returns logits (B, C)."""
        states = run_packed(self.lstm, features, lengths)  # (B, T, 2H)
        is_step = steps_within(lengths.to(features.device), features.shape[1])
        highest = states.masked_fill(~is_step.unsqueeze(-1), -torch.inf).amax(dim=1)
        return self.head(torch.cat([highest, self.attention(states, is_step)], dim=1))


def padded(studies: Sequence[Tensor], steps: int) -> tuple[Tensor, Tensor]:
    """Studies' features, each (T, F), as one batch: (B, T of the longest, F) with zeros behind, and lengths (B,)."""
    kept = [shortened(features, steps) for features in studies]
    return pad_sequence(kept, batch_first=True), torch.tensor([len(features) for features in kept])


def shortened(features: Tensor, steps: int) -> Tensor:
    """A sequence of at most `steps`: (T, F) -> (min(T, steps), F), interpolated linearly where it was longer."""
    if len(features) <= steps:
        return features
    return functional.interpolate(features.T.unsqueeze(0), size=steps, mode="linear", align_corners=False)[0].T
