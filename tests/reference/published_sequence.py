"""The published sequence model, written plainly: deltas by numpy, zeros in front, states that run over the zeros."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


def published_inputs(series: list[np.ndarray], *, pad: bool = True) -> list[np.ndarray]:
    """[e_t, e_t - e_(t-1), e_t - e_(t+1)] of each (T, E) series: (T, 3E), with zeros in front up to the longest."""
    longest = max(len(one) for one in series)
    found = []
    for one in series:
        lag, lead = np.zeros(one.shape), np.zeros(one.shape)
        lag[1:] = one[1:] - one[:-1]
        lead[:-1] = one[:-1] - one[1:]
        steps = np.concatenate((one, lag, lead), axis=-1)
        missing = longest - len(one) if pad else 0
        found.append(np.vstack((np.zeros((missing, steps.shape[1])), steps)))
    return found


def published_forward(network: nn.Module, inputs: list[np.ndarray]) -> Tensor:
    """The published forward pass with the layers of `network`: (B, T, 6) logits."""
    steps = torch.tensor(np.stack(inputs), dtype=torch.float32)
    width = steps.shape[-1] // 3
    now = steps[..., :width]
    first, _ = network.lstm1(steps)
    second, _ = network.lstm2(first)
    dense1 = torch.relu(network.linear1(first))
    dense2 = torch.relu(network.linear2(first))
    beside = torch.cat([now, now], -1) if network.project is None else network.project(now)
    return network.linear(first + second + dense1 + dense2 + beside)
