"""The network over a study's slices (RSNA 2022, 3rd place, section 5).

B studies, T triplets of slices of the longest, N in all, S pixels a side, F features of a triplet, H hidden units per
direction, C names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.core.training.recurrent import run_packed, steps_within
from hounsfield.spine.config import NetworkConfig, StudyConfig
from hounsfield.spine.networks.attention import AttentionPool
from hounsfield.spine.networks.frames import build_frames, frame_features, frames_width


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


class FrozenFramesStudyNetwork(nn.Module):
    """A study network over a slice network that does not change: neither its weights nor its running statistics."""

    def __init__(self, network: NetworkConfig, config: StudyConfig) -> None:
        """network: of the slices, as in stage 54. With `train_statistics` its statistics move on, as published."""
        super().__init__()
        self.frames = build_frames(replace(network, gradient_checkpointing=False)).requires_grad_(False)
        self.study = StudyNetwork(frames_width(self.frames), config.hidden, config.steps)
        self._config = config

    def train(self, mode: bool = True) -> Self:
        """Put the study network in training mode, and the slice network where its statistics are to move on."""
        super().train(mode)
        self.frames.train(mode and self._config.train_statistics)
        return self

    def forward(self, triplets: Tensor, lengths: Tensor) -> Tensor:
        """triplets: (N, S, S, 3) uint8, study after study. lengths: (B,) triplets of each. Returns logits (B, C)."""
        features = self._features(triplets).split(lengths.tolist())
        return self.study(*padded(features, self._config.steps))

    @torch.no_grad()
    def _features(self, triplets: Tensor) -> Tensor:
        shown, chunk = triplets, self._config.chunk
        if self.frames.training and len(triplets) % chunk == 1:
            shown = torch.cat([triplets, triplets[-1:]])  # one image has no batch statistics; as published
        return frame_features(self.frames, shown, chunk)[: len(triplets)]
