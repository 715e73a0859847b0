"""Image classification backbones by name (timm), with weights from a file, from timm's hub when allowed, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import timm
from torch import Tensor, nn

from hounsfield.core.errors import WrongUse
from hounsfield.core.logs import logger
from hounsfield.core.storage.checkpoints import fill, read_foreign_weights


def build_network(backbone: str, classes: int) -> nn.Module:
    """A timm network with a linear last layer of `classes` outputs and random weights.

    No dropout comes before that layer, as in the published systems; some of timm's networks would have it by default.
    backbone: timm's name; a tag behind a dot names published weights and does not change the network.
    """
    name = backbone.split(".")[0]
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:6]}*")[:8])
        raise WrongUse(f"backbone {backbone!r} is not a timm model{'; near it: ' + near if near else ''}")
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes, drop_rate=0.0)
    return network


def load_pretrained(network: nn.Module, backbone: str, weights: str | None, *, download: bool) -> None:
    """Start `network` from published weights: a file, or timm's hub when `download` allows it, or leave it random.

    The last layer keeps its random start where the published one has another number of classes.
    """
    last = cast(Any, network).pretrained_cfg["classifier"]
    if weights is not None:
        path = Path(weights)
        kept = fill(network, read_foreign_weights(path), source=path, replaced=str(last))
        logger.info("weights from %s%s", path, f"; {', '.join(kept)} start at random" if kept else "")
    elif download:
        published = timm.create_model(backbone, pretrained=True)
        fill(network, published.state_dict(), source=Path(backbone), replaced=str(last))
        logger.info("weights %s from timm's hub", backbone)


def embed(network: nn.Module, images: Tensor) -> Tensor:
    """The vector after global average pooling: images (B, 3, size, size) -> (B, E)."""
    timm_network = cast(Any, network)
    vectors: Tensor = timm_network.forward_head(timm_network.forward_features(images), pre_logits=True)
    return vectors


def last_layer(network: nn.Module) -> nn.Linear:
    """The linear layer that turns embeddings into logits."""
    return cast(nn.Linear, cast(Any, network).get_classifier())


def embedding_width(network: nn.Module) -> int:
    """E, the width of `embed`'s vectors."""
    return last_layer(network).in_features
