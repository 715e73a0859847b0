"""Devices of a single process, and of one among several whose others are not there."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hounsfield.core.training.devices import Devices

CPU = Devices(torch.device("cpu"), rank=0, world=1, half=None)


class LoneDevices(Devices):
    """One of `world` processes; what it would ask of the others it does by itself."""

    def wrap(self, model: nn.Module) -> nn.Module:
        return model

    def share_buffers(self, network: nn.Module) -> None:
        pass

    def barrier(self) -> None:
        pass

    def total(self, values: Tensor) -> Tensor:
        return values


def one_of(world: int, rank: int) -> Devices:
    return LoneDevices(torch.device("cpu"), rank=rank, world=world, half=None)
