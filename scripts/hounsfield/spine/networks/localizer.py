"""The network that finds the neck (RSNA 2022, 3rd place, section 2). B triplets, S pixels a side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hounsfield.spine.config import NetworkConfig
from hounsfield.spine.networks.frames import build_frames, frame_features, frames_width

EDGES = 4  # x0, y0, x1, y1 in shares of the image
PRESENCE = 4  # the column behind them


class Localizer(nn.Module):
    """A slice network, one linear layer for the box and one for whether the neck is there."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.frames = build_frames(config)
        self.box = nn.Linear(frames_width(self.frames), EDGES)
        self.presence = nn.Linear(frames_width(self.frames), 1)

    def forward(self, triplets: Tensor) -> Tensor:
        """(B, S, S, 3) uint8 -> (B, 5): the box as it is, and the logit of its presence."""
        features = frame_features(self.frames, triplets)
        return torch.cat([self.box(features), self.presence(features)], dim=1)
