"""Image networks by name (timm), with weights from a file, from timm's hub when allowed, or none.

The classifiers of all systems come from here, by the `backbone` of the configuration; so do the encoders of films, by
their `encoder`. A classifier is used whole; of an encoder, the features on several levels.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import timm
from torch import Tensor, nn

from hounsfield.core.errors import WrongUse
from hounsfield.core.logs import logger
from hounsfield.core.stages.mistakes import nearest
from hounsfield.core.stages.outputs import Input
from hounsfield.core.storage.checkpoints import fill, read_foreign_weights
from hounsfield.core.storage.files import file_digest
from hounsfield.core.training.hub import check_hub


def starting_weights(weights: str | None) -> dict[str, Input]:
    """The file that a network starts from, where it starts from one, as an input of what is made from it."""
    return {} if weights is None else {"starting weights": Input(file_digest(Path(weights)))}


def build_network(backbone: str, classes: int) -> nn.Module:
    """A timm network with a linear last layer of `classes` outputs and random weights.

    No dropout comes before that layer, as in the published systems; some of timm's networks would have it by default.
    backbone: timm's name; a tag behind a dot names published weights and does not change the network.
    """
    network: nn.Module = timm.create_model(_name(backbone), pretrained=False, num_classes=classes, drop_rate=0.0)
    return network


def build_encoder(backbone: str, levels: Sequence[int]) -> tuple[nn.Module, list[int]]:
    """A timm network with random weights that gives its features on some levels, and their channels.

    levels: 0 is 1/2 of the image's sides, 1 is 1/4, and so on. Of images (B, 3, S, S) the encoder gives a list of
    (B, channels, S / 2^(level + 1), S / 2^(level + 1)). Raises WrongUse where the network has no such levels.
    """
    encoder: Any = timm.create_model(_name(backbone), pretrained=False, features_only=True)
    reductions = encoder.feature_info.reduction()
    if reductions != [2 ** (level + 1) for level in range(len(reductions))] or len(reductions) <= max(levels):
        raise WrongUse(f"encoder {backbone!r} has features at 1/{reductions} of the image, and not 1/2, 1/4, to 1/32")
    encoder = timm.create_model(_name(backbone), pretrained=False, features_only=True, out_indices=tuple(levels))
    return encoder, encoder.feature_info.channels()


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
        check_hub(backbone)
        published = timm.create_model(backbone, pretrained=True)
        fill(network, published.state_dict(), source=Path(backbone), replaced=str(last))
        logger.info("weights %s from timm's hub", backbone)


def load_pretrained_encoder(encoder: nn.Module, backbone: str, weights: str | None, *, download: bool) -> None:
    """Start an encoder from published weights, as `load_pretrained` does; what comes after the features is left out."""
    if weights is not None:
        path = Path(weights)
        fill_encoder(encoder, read_foreign_weights(path), source=path)
        logger.info("encoder's weights from %s", path)
    elif download:
        check_hub(backbone)
        published = timm.create_model(backbone, pretrained=True, features_only=True)
        fill_encoder(encoder, published.state_dict(), source=Path(backbone))
        logger.info("encoder's weights %s from timm's hub", backbone)


def fill_encoder(encoder: nn.Module, weights: Mapping[str, Tensor], *, source: Path) -> None:
    """Load a classifier's weights into an encoder, except those of parts that the encoder does not have."""
    own = {name for name, _ in encoder.named_children()}
    fill(encoder, {name: value for name, value in weights.items() if name.split(".")[0] in own}, source=source)


def _name(backbone: str) -> str:
    """A timm name without its tag. Raises WrongUse, naming what is spelt alike, where timm has no such network."""
    name = backbone.split(".")[0]
    if not timm.is_model(name):
        near = nearest(name, timm.list_models())
        pattern = shlex.quote(f"*{name[:6]}*")
        raise WrongUse(f"backbone {backbone!r} is not a timm model{near}; to list them: --list-backbones {pattern}")
    return name


def check_backbone(backbone: str, size: int) -> None:
    """Raise WrongUse where timm has no such network, or it takes images of another size alone (pixels)."""
    facts = timm.models.get_pretrained_cfg(_name(backbone))
    if facts is not None and facts.fixed_input_size and facts.input_size[1:] != (size, size):
        rows, columns = facts.input_size[1:]
        raise WrongUse(
            f"backbone {backbone!r} takes {rows} x {columns} pixels alone, and size is {size}: set size to {rows}, or "
            "choose a backbone that takes any size"
        )


def print_backbones(pattern: str) -> None:
    """Print timm's networks whose name fits a pattern such as `*resnext*`, a line each. Raises WrongUse for none."""
    found = timm.list_models(pattern if "*" in pattern else f"*{pattern}*")
    if not found:
        raise WrongUse(f"--list-backbones {pattern}: timm has no such network{nearest(pattern, timm.list_models())}")
    print("\n".join(found))


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
