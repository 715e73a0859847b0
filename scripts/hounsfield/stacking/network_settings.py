"""Which of an experiment's classifiers a program works on, and what shapes each of them and its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonargparse import ArgumentParser

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import check_name
from hounsfield.core.stages.configuration import plain, shaping_settings
from hounsfield.stacking.config import NetworkConfig, StackingConfig


def add_network_argument(parser: ArgumentParser) -> None:
    """Add `--network`: one or several of the configuration's, by name."""
    parser.add_argument("--network", nargs="+", default=None, help="these classifiers alone (default: all)")


def chosen_networks(names: Sequence[str] | None, config: StackingConfig) -> list[NetworkConfig]:
    """The networks of those names, all when there are none. Raises WrongUse for a name that is not there or repeats."""
    known = {check_name(network.name, "networks.name"): network for network in config.networks}
    if len(known) < len(config.networks) or not known:
        raise WrongUse("networks: give at least one, each with a name of its own")
    for name in names or ():
        if name not in known:
            raise WrongUse(f"--network {name}: the configuration has {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names or known)]


def training_settings(config: StackingConfig, network: NetworkConfig, fold: int) -> dict[str, Any]:
    """What a classifier's weights depend on, beside its inputs."""
    return {**shaping_settings(config.training), **shaping_settings(network, "hu_noise_predicting"), "fold": fold}


def prediction_settings(config: StackingConfig, network: NetworkConfig, fold: int, epoch: int) -> dict[str, Any]:
    """What a checkpoint's predictions depend on, beside its weights."""
    own = {"network": network.name, "fold": fold, "epoch": epoch}
    return {**plain(config.prediction, "epochs"), **own, "hu_noise": network.hu_noise_predicting, "seed": config.seed}
