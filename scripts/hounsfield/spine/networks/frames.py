"""The network that sees slices, three of them as the channels of one image. N images, E features."""

from __future__ import annotations

import copy
from collections import Counter
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from hounsfield.core.training.backbones import build_network, check_backbone, load_pretrained
from hounsfield.spine.config import NetworkConfig
from hounsfield.spine.images import network_input

SHADOW_SIZE = 64  # pixels


def build_frames(config: NetworkConfig) -> nn.Module:
    """The slice network with random weights: images (N, 3, S, S) to features (N, E), E being `frames_width`.

    Raises WrongUse where there is no such network, or it takes images of another size alone.
    """
    check_backbone(config.backbone, config.size)
    network = build_network(config.backbone, classes=0)
    if config.gradient_checkpointing:
        cast(Any, network).set_grad_checkpointing(True)
        _count_recomputed_batches_once(network)
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


def _count_recomputed_batches_once(network: nn.Module) -> None:
    """Let running statistics move as far as they would without checkpointing.

    What is computed again for its gradient moves them a second time, by the same batch. With momentum m' for m, where
    (1 - m')^2 = 1 - m, both together are one step. Which layers these are shows in a pass without numbers.
    """
    calls: Counter[str] = Counter()
    shadow = copy.deepcopy(network).to("meta").train()
    for name, layer in shadow.named_modules():
        layer.register_forward_hook(partial(_count, calls, name))
    shadow(torch.empty(2, 3, SHADOW_SIZE, SHADOW_SIZE, device="meta")).sum().backward()
    for name, layer in network.named_modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.momentum is not None and calls[name] > 1:
            layer.momentum = 1 - (1 - layer.momentum) ** (1 / calls[name])


def _count(calls: Counter[str], name: str, *_: object) -> None:
    calls[name] += 1
