"""The network that tells how much of each vertebra a slice shows (RSNA 2022, 3rd place, section 3).

B windows, T triplets, L = 3 T slices, S pixels a side, E features of a triplet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hounsfield.competitions.rsna2022.labels import VERTEBRAE
from hounsfield.core.training.recurrent import run_packed
from hounsfield.spine.config import NetworkConfig
from hounsfield.spine.networks.frames import build_frames, frame_features, frames_width
from hounsfield.spine.positions import WIDTH, Mode, channel_positions, sinusoids
from hounsfield.spine.slice_windows import TRIPLET


class RatioNetwork(nn.Module):
    """A slice network, each triplet's features for its three slices, where they lie, a bidirectional LSTM, a head."""

    def __init__(self, config: NetworkConfig, mode: Mode, dropout: float) -> None:
        super().__init__()
        self.frames = build_frames(config)
        width = frames_width(self.frames) + 2 * WIDTH
        self.lstm = nn.LSTM(width, width, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, len(VERTEBRAE))
        self._mode = mode

    def forward(self, triplets: Tensor, positions: Tensor) -> Tensor:
        """Predictions (B, L, 7), without meaning on padding.

        triplets: (B, T, S, S, 3) uint8. positions: (B, L), NaN on padding, which changes nothing.
        """
        is_slice = positions.isfinite()
        shown = is_slice[:, ::TRIPLET]  # (B, T)
        # window by window, since a network in training sees the statistics of one study, as published
        windows = [frame_features(self.frames, images[own]) for images, own in zip(triplets, shown, strict=True)]
        features = torch.cat(windows)
        steps = features.new_zeros(*shown.shape, features.shape[1])
        steps[shown] = features
        channels = torch.from_numpy(channel_positions(positions.shape[1], self._mode)).to(positions.device)
        places = torch.cat(
            [sinusoids(positions.nan_to_num()), sinusoids(channels).expand(*positions.shape, WIDTH)], dim=-1
        )
        inputs = torch.cat([steps.repeat_interleave(TRIPLET, dim=1), places.to(steps.dtype)], dim=-1)
        states = run_packed(self.lstm, inputs, is_slice.sum(dim=1))
        head: Tensor = self.head(self.dropout(states))
        return head
