"""The system's networks by name: 3 channels in, one logit per pixel out. B images, S pixels a side."""

from __future__ import annotations

from typing import Any, cast

import segmentation_models_pytorch
from torch import Tensor, nn

from hounsfield.core.errors import WrongUse
from hounsfield.core.training.backbones import build_encoder, load_pretrained_encoder
from hounsfield.pneumothorax.config import NetworkConfig
from hounsfield.pneumothorax.networks import albunet, unet

SMP = "smp/"  # then architecture and encoder, as segmentation_models_pytorch calls them
SMALLEST = 64  # pixels a side
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, of 0..1


def build(config: NetworkConfig) -> nn.Module:
    """The network with random weights: images (B, 3, S, S) to logits (B, 1, S, S); its encoder is `encoder`.

    Raises WrongUse where there is no such network or encoder.
    """
    if config.name.startswith(SMP):
        return _build_smp(config, None)
    if config.name == "albunet":
        return _build_albunet(config)
    if config.name in ("unet", "scse_unet"):
        return _build_unet(config, scse=config.name == "scse_unet")
    raise WrongUse(f"network.name {config.name!r}: give albunet, unet, scse_unet or smp/<architecture>/<encoder>")


def start_encoder(network: nn.Module, config: NetworkConfig) -> None:
    """Start the encoder from published weights: a file, or a hub where it is allowed; else it stays random."""
    encoder = encoder_of(network)
    if not config.name.startswith(SMP):
        load_pretrained_encoder(encoder, config.encoder, config.weights, download=config.download)
    elif config.weights is not None:
        load_pretrained_encoder(encoder, config.name, config.weights, download=False)
    elif config.download:
        encoder.load_state_dict(encoder_of(_build_smp(config, "imagenet")).state_dict())


def encoder_of(network: nn.Module) -> nn.Module:
    """The part that may be frozen, and that published weights are for."""
    return cast(nn.Module, cast(Any, network).encoder)


def check_size(config: NetworkConfig, size: int) -> None:
    """Raise WrongUse where images of `size` pixels a side do not come out at their size again.

    At 32 pixels one film would be left of a single value per channel, of which there is no batch statistic.
    """
    divisor = albunet.DIVISOR if config.name == "albunet" else unet.DIVISOR
    if size < SMALLEST or size % divisor:
        raise WrongUse(
            f"{config.name}: images of {size} pixels; {SMALLEST} or more, a multiple of {divisor}, are needed"
        )


def network_input(films: Tensor, config: NetworkConfig) -> Tensor:
    """Grey films (B, S, S) uint8 as three equal channels (B, 3, S, S) float32: of 0..1, or normalised by ImageNet's."""
    images = films.unsqueeze(1).float().div_(255).expand(-1, 3, -1, -1)
    if not config.normalise:
        return images
    mean, std = (films.new_tensor(values, dtype=images.dtype).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (images - mean) / std


def _build_albunet(config: NetworkConfig) -> nn.Module:
    if config.decoder_channels is not None:
        raise WrongUse("network.decoder_channels: those of albunet are fixed; leave it out")
    encoder, channels = build_encoder(config.encoder, albunet.SKIPPED_LEVELS)
    if not hasattr(encoder, "maxpool"):
        raise WrongUse(f"network.encoder {config.encoder!r}: albunet takes a ResNet, whose first pooling it replaces")
    for part in encoder.modules():  # published from random weights of torchvision, which knows no last scales of 0
        if isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
    return albunet.AlbuNet(encoder, channels)


def _build_unet(config: NetworkConfig, *, scse: bool) -> nn.Module:
    channels = config.decoder_channels or (unet.SCSE_CHANNELS if scse else unet.CHANNELS)
    if len(channels) != len(unet.LEVELS):
        raise WrongUse(f"network.decoder_channels: {len(unet.LEVELS)} are needed, deep first, and not {len(channels)}")
    encoder, encoder_channels = build_encoder(config.encoder, unet.LEVELS)
    return unet.Unet(encoder, encoder_channels, channels, scse=scse)


def _build_smp(config: NetworkConfig, encoder_weights: str | None) -> nn.Module:
    """A network of segmentation_models_pytorch. encoder_weights: what its hub is asked for; None: nothing."""
    architecture, _, encoder = config.name.removeprefix(SMP).partition("/")
    channels = {} if config.decoder_channels is None else {"decoder_channels": list(config.decoder_channels)}
    try:
        network: nn.Module = segmentation_models_pytorch.create_model(
            architecture, encoder, encoder_weights=encoder_weights, in_channels=3, classes=1, **channels
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WrongUse(
            f"network.name {config.name!r}: segmentation_models_pytorch makes no such network: {error}"
        ) from error
    return network
