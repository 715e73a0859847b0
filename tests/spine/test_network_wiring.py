"""Each network of the spine system is wired as published: a plain one says the same of the same features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.training.lone_devices import CPU
from hounsfield.core.training.batches import ImageBatch
from hounsfield.spine.config import NetworkConfig, StudyConfig
from hounsfield.spine.localizer_inference import mean_prediction
from hounsfield.spine.networks.fracture import FractureNetwork
from hounsfield.spine.networks.frames import frame_features
from hounsfield.spine.networks.localizer import Localizer
from hounsfield.spine.networks.ratio import RatioNetwork
from hounsfield.spine.networks.study import FrozenFramesStudyNetwork
from reference import neck_networks as reference

CONFIG = NetworkConfig(backbone="test_resnet", size=32)
T = 5  # triplets of the longest window
L = 3 * T


@pytest.fixture(autouse=True)
def drawn_alike() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def images(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8)


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def features_of(network: nn.Module, triplets: Tensor) -> np.ndarray:
    return frame_features(network.frames, triplets).double().numpy()


def two_windows(lengths: tuple[int, int], steps: int) -> tuple[Tensor, Tensor]:
    """Triplets of a batch, and positions with NaN behind each window's end."""
    positions = torch.full((2, steps), torch.nan)
    for window, length in enumerate(lengths):
        positions[window, :length] = torch.linspace(10 * window, 150, length)
    return images(2 * T).unflatten(0, (2, T)), positions


def test_the_localiser_is_a_linear_layer_for_the_box_and_one_for_its_presence() -> None:
    nets, triplets = [Localizer(CONFIG).eval() for _ in range(2)], images(4)
    for network in nets:
        network.presence.bias += torch.randn(1) * 3  # where a mean of logits is another one
    found = mean_prediction(CPU, nets, ImageBatch(triplets, torch.full((4, 5), torch.nan)))
    plain = [[reference.localizer(weights_of(one), own) for own in features_of(one, triplets)] for one in nets]
    np.testing.assert_allclose(found, np.mean(plain, axis=0), atol=1e-5)


@pytest.mark.parametrize("mode", ["true", "ordinal"])
@pytest.mark.parametrize("lengths", [(L, 4), (7, 9)])
def test_the_ratio_network_is_the_plain_one(mode: str, lengths: tuple[int, int]) -> None:
    network, (triplets, positions) = RatioNetwork(CONFIG, mode, 0.1).eval(), two_windows(lengths, L)
    found = network(triplets, positions)
    for window, length in enumerate(lengths):
        channels = [z % 3 if mode == "true" else 4 + z for z in range(length)]
        own = positions[window, :length].tolist()
        plain = reference.ratios(weights_of(network), features_of(network, triplets[window]), own, channels)
        np.testing.assert_allclose(found[window, :length], plain, atol=1e-5)


def test_the_ratio_networks_lstm_is_as_wide_as_its_input() -> None:
    network = RatioNetwork(CONFIG, "true", 0.1)
    width = network.frames.num_features + 32
    assert (network.lstm.input_size, network.lstm.hidden_size, network.head.in_features) == (width, width, 2 * width)


def test_dropout_is_of_the_states_that_the_head_sees() -> None:
    network = RatioNetwork(CONFIG, "true", 1.0).train()
    found = network(*two_windows((L, L), L))
    torch.testing.assert_close(found, network.head.bias.expand_as(found))


@pytest.mark.parametrize("lengths", [(T, 1), (2, 4)])
def test_the_fracture_network_is_the_plain_one(lengths: tuple[int, int]) -> None:
    network, (triplets, positions) = FractureNetwork(CONFIG).eval(), two_windows(lengths, T)
    found = network(triplets, positions)
    for window, length in enumerate(lengths):
        own, features = positions[window, :length].tolist(), features_of(network, triplets[window, :length])
        np.testing.assert_allclose(
            found[window, :length], reference.fractures(weights_of(network), features, own), atol=1e-5
        )  # fmt: skip


def test_the_study_network_over_the_frozen_one_is_the_plain_one_study_by_study() -> None:
    network = FrozenFramesStudyNetwork(CONFIG, StudyConfig(hidden=6, steps=T, chunk=3)).eval()
    nn.init.normal_(network.study.attention.bias)
    lengths = torch.tensor([T, 1, 3])
    triplets = images(int(lengths.sum()))
    found = network(triplets, lengths)
    for logits, own in zip(found, triplets.split(lengths.tolist()), strict=True):
        plain = reference.study(weights_of(network.study), features_of(network, own))
        np.testing.assert_allclose(logits, plain, atol=1e-5)
