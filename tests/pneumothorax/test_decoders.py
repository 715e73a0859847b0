"""What the decoders make of their encoder's features, pixel by pixel: a wrong wiring may have the same shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hounsfield.pneumothorax import networks
from hounsfield.pneumothorax.config import NetworkConfig
from reference import segmentation_decoders as reference

ALBUNET = NetworkConfig(name="albunet", encoder="test_resnet")  # of the published widths
UNET = NetworkConfig(name="unet", encoder="test_resnet", decoder_channels=(12, 10, 8, 6, 4))
SCSE = NetworkConfig(name="scse_unet", encoder="test_resnet", decoder_channels=(12, 10, 8, 6, 4))
FILMS, ROWS, COLUMNS = 2, 64, 128


class GivenFeatures(nn.Module):
    """Stands for an encoder: the same features for whatever films."""

    def __init__(self, features: list[Tensor]) -> None:
        super().__init__()
        self.features = features

    def forward(self, _films: Tensor) -> list[Tensor]:
        return self.features


def with_features(config: NetworkConfig) -> tuple[nn.Module, list[Tensor]]:
    """A network whose weights and biases are all random, and features of both signs in place of its encoder's."""
    torch.manual_seed(0)
    network = networks.build(config).eval()
    facts = network.encoder.feature_info
    sizes = [(ROWS // reduction, COLUMNS // reduction) for reduction in facts.reduction()]
    features = [torch.randn(FILMS, width, *size) for width, size in zip(facts.channels(), sizes, strict=True)]
    network.encoder = GivenFeatures(features)
    for value in network.parameters():
        nn.init.normal_(value, std=(2 / value[0].numel()) ** 0.5 if value.ndim > 1 else 0.5)
    return network, features


@pytest.mark.parametrize(
    ("config", "plain"),
    [(ALBUNET, reference.albunet), (UNET, reference.unet), (SCSE, reference.unet)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_decoder_gives_the_logits_of_the_plain_one(config, plain) -> None:
    network, features = with_features(config)
    with torch.no_grad():
        found = network(torch.zeros(FILMS, 3, ROWS, COLUMNS)).numpy()
    weights = {name: value.double().numpy() for name, value in network.state_dict().items()}
    assert found.shape == (FILMS, 1, ROWS, COLUMNS)
    for film, logits in enumerate(found):
        expected = plain(weights, [one[film].double().numpy() for one in features])
        assert expected.std() > 0.3
        np.testing.assert_allclose(logits, expected, atol=1e-3 * expected.std(), rtol=0)


def test_albunets_encoder_is_the_resnet_with_an_unpadded_first_pooling() -> None:
    torch.manual_seed(0)
    films, encoder = torch.randn(1, 3, 64, 64), networks.build(ALBUNET).encoder.eval()
    with torch.no_grad():
        deeper = F.max_pool2d(encoder.act1(encoder.bn1(encoder.conv1(films))), kernel_size=2, stride=2, padding=0)
        for stage, found in zip(("layer1", "layer2", "layer3", "layer4"), encoder(films), strict=True):
            deeper = encoder[stage](deeper)
            assert torch.equal(found, deeper)
