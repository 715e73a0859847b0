"""The U-Nets on ResNet50 and, with scSE attention, on SE-ResNeXt50 (SIIM-ACR 2019, 1st place).

B images, S pixels a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hounsfield.pneumothorax.networks.albunet import convolution

LEVELS = (0, 1, 2, 3, 4)  # of the encoder: the stem at /2, then its stages, /4 to /32
DIVISOR = 32  # of the image's sides
CHANNELS = (256, 256, 128, 64, 64)  # published, of the ResNet50 one: four levels and the last convolution
SCSE_CHANNELS = (384, 256, 128, 64, 32)  # published, of the one with scSE


class ScseGate(nn.Module):
    """Concurrent spatial and channel squeeze and excitation: the larger of both gated tensors, element by element."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 2, channels, 1),
            nn.Sigmoid(),
        )
        self.spatial = nn.Sequential(nn.Conv2d(channels, 1, 1, bias=False), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return torch.maximum(features * self.channel(features), features * self.spatial(features))


class UnetLevel(nn.Module):
    """Enlarge to twice the size, convolve, join the skip, convolve; gate where it is wanted."""

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int, *, scse: bool) -> None:
        super().__init__()
        self.enlarged = convolution(channels_in, channels_out)
        self.bottleneck = convolution(channels_out + channels_skip, channels_out)
        self.gate = ScseGate(channels_out) if scse else nn.Identity()

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """(B, C, h, w) and the skip (B, D, 2h, 2w) -> (B, C', 2h, 2w)."""
        enlarged = self.enlarged(F.interpolate(features, scale_factor=2, mode="nearest"))
        return self.gate(self.bottleneck(torch.cat([enlarged, skip], dim=1)))


class Unet(nn.Module):
    """Images (B, 3, S, S) to logits (B, 1, S, S); S is a multiple of 32."""

    def __init__(
        self, encoder: nn.Module, encoder_channels: Sequence[int], channels: Sequence[int], *, scse: bool
    ) -> None:
        """encoder: gives five levels, /2 to /32. channels: of the decoder's four levels and its last convolution."""
        super().__init__()
        *levels, last = channels
        *skips, deepest = encoder_channels
        self.encoder = encoder
        self.levels = nn.ModuleList(
            UnetLevel(before, skip, after, scse=scse)
            for (before, after), skip in zip(pairwise([deepest, *levels]), reversed(skips), strict=True)
        )
        self.last = convolution(levels[-1], last)
        self.head = nn.Conv2d(last, 1, 1)
        for part in (self.levels, self.last, self.head):
            part.apply(_start)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 1, S, S)."""
        *skips, decoded = self.encoder(images)
        for level, skip in zip(self.levels, reversed(skips), strict=True):
            decoded = level(decoded, skip)
        return self.head(self.last(F.interpolate(decoded, scale_factor=2, mode="nearest")))


def _start(module: nn.Module) -> None:
    """Kaiming's normal distribution over a convolution's inputs, for ReLU; biases zero."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
