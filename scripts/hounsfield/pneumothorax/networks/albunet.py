"""AlbuNet (SIIM-ACR 2019, 1st place): a ResNet without the skip from its stem, and a centre at 1/64 of the image.

B images, S pixels a side.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SKIPPED_LEVELS = (1, 2, 3, 4)  # of the encoder, whose outputs are used: its four residual stages
DIVISOR = 64  # of the image's sides


def convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    """A 3 x 3 convolution with bias and ReLU, without normalisation."""
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.ReLU(inplace=True))


class AlbuBlock(nn.Module):
    """Bilinear enlargement to twice the size, then two convolutions."""

    def __init__(self, channels_in: int, channels_between: int, channels_out: int) -> None:
        super().__init__()
        self.first = convolution(channels_in, channels_between)
        self.second = convolution(channels_between, channels_out)

    def forward(self, *features: Tensor) -> Tensor:
        """Features of one size, which are joined before they are enlarged: (B, C, h, w) -> (B, C', 2h, 2w)."""
        joined = torch.cat(features, dim=1)
        enlarged = F.interpolate(joined, scale_factor=2, mode="bilinear", align_corners=False)
        return self.second(self.first(enlarged))


class AlbuNet(nn.Module):
    """Images (B, 3, S, S) to logits (B, 1, S, S); S is a multiple of 64."""

    def __init__(self, encoder: nn.Module, channels: Sequence[int]) -> None:
        """encoder: gives its four residual stages, /4 to /32. channels: of these."""
        super().__init__()
        of_4, of_8, of_16, of_32 = channels
        encoder.maxpool = nn.MaxPool2d(2, 2)  # in place of ResNet's padded 3 x 3
        self.encoder = encoder
        self.center = AlbuBlock(of_32, 512, 256)
        self.decoder5 = AlbuBlock(256 + of_32, 512, 256)
        self.decoder4 = AlbuBlock(256 + of_16, 512, 256)
        self.decoder3 = AlbuBlock(256 + of_8, 256, 64)
        self.decoder2 = AlbuBlock(64 + of_4, 128, 128)
        self.decoder1 = AlbuBlock(128, 128, 32)
        self.decoder0 = convolution(32, 32)
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 1, S, S)."""
        of_4, of_8, of_16, of_32 = self.encoder(images)
        center = self.center(F.max_pool2d(of_32, 2))  # /32
        decoded = self.decoder4(self.decoder5(center, of_32), of_16)  # /8
        decoded = self.decoder2(self.decoder3(decoded, of_8), of_4)  # /2
        return self.head(self.decoder0(self.decoder1(decoded)))
