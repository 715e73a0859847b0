"""The network that sees slices, three of them as the channels of one image. N images, E features."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from hounsfield.core.training.networks import build_network, check_backbone, load_pretrained
from hounsfield.spine.config import NetworkConfig
from hounsfield.spine.images import network_input


def build_frames(config: NetworkConfig) -> nn.Module:
    """The slice network with random weights: images (N, 3, S, S) to features (N, E), E being `frames_width`.

    Raises WrongUse where there is no such network, or it takes images of another size alone.
    """
    check_backbone(config.backbone, config.size)
    network = build_network(config.backbone, classes=0)
    if config.gradient_checkpointing:
        cast(Any, network).set_grad_checkpointing(True)
    return network


def frames_width(frames: nn.Module) -> int:
    """E, the features of one image."""
    return int(cast(Any, frames).num_features)


def start_frames(frames: nn.Module, config: NetworkConfig) -> None:
    """Start the slice network from published weights: a file, or timm's hub where it is allowed; else it is random."""
    load_pretrained(frames, config.backbone, config.weights, download=config.download)


def frame_features(frames: nn.Module, triplets: Tensor, chunk: int | None = None) -> Tensor:
    """The features of triplets (N, S, S, 3) uint8, (N, E).

    chunk: images at a time, for less memory; a network in training would then see each chunk's statistics by itself.
    """
    if chunk is None:
        return cast(Tensor, frames(network_input(triplets)))
    return torch.cat([frames(network_input(part)) for part in triplets.split(chunk)])
