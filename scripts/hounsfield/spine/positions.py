"""Where in the neck a slice lies, as the recurrent networks are told. L slices of a window."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Mode = Literal["true", "ordinal"]
WIDTH = 16  # of one embedding
POSITION_SCALE = 200.0  # what the last slice of a study is at; the first is at 0
FIRST_ORDINAL, FIRST_CHANNEL_ORDINAL = 202, 4  # what the published embedding emitted in place of its input
LONGEST = 10_000.0


def sinusoids(values: Tensor, width: int = WIDTH) -> Tensor:
    """[sin(p f_k), cos(p f_k)] of each value p, f_k = 10000^(-k / 7), k = 0..7: (...) -> (..., width) float32."""
    half = width // 2
    exponents = torch.arange(half, dtype=torch.float64, device=values.device) / (half - 1)
    angles = values.double().unsqueeze(-1) * LONGEST**-exponents
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


def window_positions(slices: np.ndarray, count: int, mode: Mode) -> np.ndarray:
    """What is embedded of the places of a window's slices, (L,) float32.

    slices: (L,) their numbers in the study, from head to feet. count: slices of the study. true: from 0 to 200 over the
    study; ordinal (published): 202, 203 and so on, whatever the slices.
    """
    if mode == "ordinal":
        return np.arange(FIRST_ORDINAL, FIRST_ORDINAL + len(slices), dtype=np.float32)
    return (POSITION_SCALE * slices / max(1, count - 1)).astype(np.float32)


def channel_positions(length: int, mode: Mode) -> np.ndarray:
    """What is embedded of each slice's channel in its triplet, (length,) float32.

    true: 0, 1, 2 and again; ordinal (published): 4, 5, 6 and so on.
    """
    if mode == "ordinal":
        return np.arange(FIRST_CHANNEL_ORDINAL, FIRST_CHANNEL_ORDINAL + length, dtype=np.float32)
    return (np.arange(length) % 3).astype(np.float32)
