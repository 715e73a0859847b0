"""The network of slices and sequence that learns fractures from pseudo-labels (RSNA 2022, 3rd place, section 4).

B windows, T triplets of slices, S pixels a side, E features of a triplet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hounsfield.core.errors import BadInput
from hounsfield.core.storage.checkpoints import fill
from hounsfield.core.training.recurrent import run_packed
from hounsfield.spine.config import NetworkConfig
from hounsfield.spine.losses import FRACTURE_COLUMNS
from hounsfield.spine.networks.frames import build_frames, frame_features, frames_width
from hounsfield.spine.positions import WIDTH, sinusoids

FRAMES = "frames."  # what the slice network's weights are called in the state dict


class FractureNetwork(nn.Module):
    """A slice network, the place of each triplet's middle slice, one bidirectional LSTM layer, a linear head.

    The published three heads (ratios, fractures, any fracture) are the columns of one here.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.frames = build_frames(config)
        width = frames_width(self.frames) + WIDTH
        self.lstm = nn.LSTM(width, width, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * width, FRACTURE_COLUMNS)

    def forward(self, triplets: Tensor, positions: Tensor) -> Tensor:
        """Predictions (B, T, FRACTURE_COLUMNS), without meaning on padding.

        triplets: (B, T, S, S, 3) uint8. positions: (B, T), NaN on padding, which the slice network does not see.
        """
        is_step = positions.isfinite()
        features = frame_features(self.frames, triplets[is_step])  # (N, E) of all windows
        steps = features.new_zeros(*positions.shape, features.shape[1])
        steps[is_step] = features
        places = sinusoids(positions.nan_to_num()).to(steps.dtype)
        states = run_packed(self.lstm, torch.cat([steps, places], dim=-1), is_step.sum(dim=1))
        head: Tensor = self.head(states)
        return head


def fill_frames(frames: nn.Module, weights: Mapping[str, Tensor], *, source: Path) -> None:
    """Load the slice network out of a FractureNetwork's weights. Raises BadInput unless each of its weights is there.

    Published: weights of other files were loaded, too, as none at all, and left the network as it was.
    """
    own = {name.removeprefix(FRAMES): value for name, value in weights.items() if name.startswith(FRAMES)}
    if not own:
        raise BadInput(f"{source} holds no slice network: none of its names begins with {FRAMES!r}")
    fill(frames, own, source=source)
