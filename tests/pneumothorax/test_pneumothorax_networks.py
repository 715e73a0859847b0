"""The three published networks: their sizes, the layout of their decoders, and their encoders' weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.pneumothorax import networks
from hounsfield.pneumothorax.config import LossConfig, NetworkConfig
from hounsfield.pneumothorax.losses import combo_loss
from hounsfield.pneumothorax.networks.unet import ScseGate

ALBUNET = NetworkConfig(name="albunet", encoder="resnet34.tv_in1k")
RESNET50 = NetworkConfig(name="unet", encoder="resnet50.tv_in1k")
SCSE = NetworkConfig(name="scse_unet", encoder="legacy_seresnext50_32x4d.in1k")
SMALL = NetworkConfig(name="unet", encoder="test_resnet", decoder_channels=(32, 24, 16, 16, 8))


def started(config: NetworkConfig) -> nn.Module:
    network = networks.build(config)
    networks.start_encoder(network, config)
    return network


def with_statistics(network: nn.Module) -> nn.Module:
    """The network with batch statistics as training leaves them, and no block whose last scale is 0."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.0)
    return network


def shapes_of(config: NetworkConfig, size: int) -> dict[str, tuple[int, ...]]:
    """The output shapes of the network's parts, without the batch, for an image of so many pixels a side."""
    with torch.device("meta"):
        network = networks.build(config)
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            found[name] = tuple(output.shape[1:])

        return keep

    for name, part in network.named_modules():
        if name and not name.startswith("encoder"):
            part.register_forward_hook(note(name))
    network(torch.zeros(1, 3, size, size, device="meta"))
    return found


@pytest.mark.parametrize(
    ("config", "count"),
    [(ALBUNET, 13_320_225), (RESNET50, 10_950_145), (SCSE, 15_738_593)],
    ids=lambda value: str(value),
)
def test_decoders_have_as_many_parameters_as_the_published_ones(config: NetworkConfig, count: int) -> None:
    with torch.device("meta"):
        network = networks.build(config)
    own = [value.numel() for name, value in network.named_parameters() if not name.startswith("encoder.")]
    assert sum(own) == count


def test_albunet_enlarges_after_joining_and_has_its_centre_at_a_64th() -> None:
    shapes = shapes_of(ALBUNET, 128)
    blocks = ("center", "decoder5", "decoder4", "decoder3", "decoder2", "decoder1", "decoder0", "head")
    assert [shapes[block] for block in blocks] == [
        (256, 4, 4), (256, 8, 8), (256, 16, 16), (64, 32, 32), (128, 64, 64), (32, 128, 128), (32, 128, 128),
        (1, 128, 128),
    ]  # fmt: skip


def test_albunet_pools_two_by_two_after_the_stem() -> None:
    with torch.device("meta"):
        pool = networks.build(ALBUNET).encoder.maxpool
    assert (pool.kernel_size, pool.stride, pool.padding) == (2, 2, 0)


def test_albunet_starts_as_torchvisions_resnet_does_without_scales_of_nought() -> None:
    network = networks.build(ALBUNET)
    assert all((part.weight == 1).all() for part in network.encoder.modules() if isinstance(part, nn.BatchNorm2d))


def test_the_unet_joins_every_level_of_its_encoder_and_ends_at_the_images_size() -> None:
    shapes = shapes_of(SMALL, 64)
    assert [shapes[f"levels.{level}"] for level in range(4)] == [(32, 4, 4), (24, 8, 8), (16, 16, 16), (16, 32, 32)]
    assert (shapes["last"], shapes["head"]) == ((8, 64, 64), (1, 64, 64))


def test_the_unets_decoder_starts_from_kaimings_distribution_and_zero_biases() -> None:
    torch.manual_seed(0)
    network = networks.build(SMALL)
    first = network.levels[0].enlarged[0]
    assert first.weight.std().item() == pytest.approx((2 / (96 * 9)) ** 0.5, rel=0.02)
    assert not any(
        part.bias.any() for part in network.levels.modules() if isinstance(part, nn.Conv2d) and len(part.bias)
    )


def test_scse_is_the_larger_of_the_channels_and_the_pixels_gate() -> None:
    torch.manual_seed(0)
    gate, features = ScseGate(4), torch.randn(2, 4, 3, 5)
    x = features.numpy()

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    squeeze, excite, spatial = (
        part.weight.detach().numpy()[:, :, 0, 0] for part in (gate.channel[1], gate.channel[3], gate.spatial[0])
    )
    between = np.maximum(x.mean(axis=(2, 3)) @ squeeze.T + gate.channel[1].bias.detach().numpy(), 0)  # d -> d/2
    by_channel = sigmoid(between @ excite.T + gate.channel[3].bias.detach().numpy())
    by_pixel = sigmoid(np.einsum("oc,bchw->bohw", spatial, x))
    assert gate.spatial[0].bias is None
    expected = np.maximum(x * by_channel[:, :, None, None], x * by_pixel)
    np.testing.assert_allclose(gate(features).detach().numpy(), expected, atol=1e-6)


def test_torchvisions_weights_load_and_give_torchvisions_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = with_statistics(torchvision.models.resnet18(weights=None)).eval()
    torch.save({f"module.{name}": value for name, value in published.state_dict().items()}, tmp_path / "tv.pth")
    network = started(NetworkConfig(name="unet", encoder="resnet18.tv_in1k", weights=str(tmp_path / "tv.pth")))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = [published.relu(published.bn1(published.conv1(images)))]
        deeper = published.maxpool(expected[0])
        for stage in (published.layer1, published.layer2, published.layer3, published.layer4):
            deeper = stage(deeper)
            expected.append(deeper)
        found = network.encoder.eval()(images)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(found, expected, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("config", [ALBUNET, RESNET50, SCSE], ids=lambda config: config.name)
def test_timms_weights_load_and_give_timms_features_on_every_level(tmp_path: Path, config: NetworkConfig) -> None:
    torch.manual_seed(0)
    published = with_statistics(timm.create_model(config.encoder, pretrained=False)).eval()
    torch.save(published.state_dict(), tmp_path / "timm.pth")
    network = started(replace(config, weights=str(tmp_path / "timm.pth")))
    if config.name == "albunet":
        published.maxpool = nn.MaxPool2d(2, 2)  # the one thing that AlbuNet changes in its encoder
    expected: list[Tensor] = []
    for stage in (published.layer1, published.layer2, published.layer3, published.layer4):
        stage.register_forward_hook(lambda _module, _inputs, output: expected.append(output))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        published(images)
        found = network.encoder.eval()(images)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(found[-4:], expected, strict=True))
    assert all(one.std() > 0.01 for one in found)


def test_weights_of_another_encoder_are_refused_by_name(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / "other.pth")
    with pytest.raises(BadInput, match=r"other\.pth does not fit the network"):
        started(NetworkConfig(name="unet", encoder="test_byobnet", weights=str(tmp_path / "other.pth")))


def test_a_network_of_segmentation_models_pytorch_is_taken_by_name() -> None:
    with torch.device("meta"):
        network = networks.build(NetworkConfig(name="smp/unet/timm-efficientnet-b0"))
    logits = network(torch.zeros(1, 3, 64, 64, device="meta"))
    assert logits.shape == (1, 1, 64, 64)
    assert networks.encoder_of(network) is network.encoder


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(name="vnet"),
        NetworkConfig(name="smp/vnet/resnet18"),
        NetworkConfig(name="smp/unet/resnet999"),
        NetworkConfig(name="unet", encoder="resnet999"),
        NetworkConfig(name="unet", encoder="test_convnext"),  # which begins at 1/4
        NetworkConfig(name="albunet", encoder="test_byobnet"),  # which has no pooling of ResNet's
        NetworkConfig(name="albunet", decoder_channels=(8, 8)),
        NetworkConfig(name="unet", encoder="test_resnet", decoder_channels=(8, 8)),
    ],
    ids=lambda config: f"{config.name}-{config.encoder}",
)  # fmt: skip
def test_what_no_network_can_be_made_of_is_wrong_use(config: NetworkConfig) -> None:
    with pytest.raises(WrongUse, match=r"network|encoder|backbone"):
        networks.build(config)


@pytest.mark.parametrize(("config", "size"), [(ALBUNET, 96), (RESNET50, 80), (RESNET50, 32)])
def test_a_size_that_would_not_come_out_again_is_wrong_use(config: NetworkConfig, size: int) -> None:
    with pytest.raises(WrongUse, match=str(size)):
        networks.check_size(config, size)


def test_grey_becomes_three_equal_channels_and_is_normalised_only_where_it_is_asked_for() -> None:
    films = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    plain = networks.network_input(films, ALBUNET)
    assert plain.tolist() == [[[[0, 1]]] * 3]
    normalised: Tensor = networks.network_input(films, NetworkConfig(normalise=True))
    assert normalised[0, 0, 0, 0].item() == pytest.approx(-0.485 / 0.229)
    assert normalised[0, 2, 0, 1].item() == pytest.approx((1 - 0.406) / 0.225)


@pytest.mark.parametrize("config", [ALBUNET, RESNET50, SCSE], ids=lambda config: config.name)
def test_a_published_network_gives_a_logit_for_each_pixel_of_a_film_of_1024(config: NetworkConfig) -> None:
    with torch.device("meta"):
        network = networks.build(config)
    assert network(torch.zeros(1, 3, 1024, 1024, device="meta")).shape == (1, 1, 1024, 1024)


@pytest.mark.parametrize("config", [ALBUNET, RESNET50, SCSE], ids=lambda config: config.name)
def test_weights_hold_the_encoder_once_and_no_classifier(config: NetworkConfig) -> None:
    with torch.device("meta"):
        network = networks.build(config)
    names = list(network.state_dict())
    assert len({id(value) for value in network.parameters()}) == len(
        dict(network.named_parameters(remove_duplicate=False))
    )
    assert not [name for name in names if name.startswith(("encoder.fc", "encoder.last_linear"))]
    assert sum(name.endswith("layer1.0.conv1.weight") for name in names) == 1


@pytest.mark.slow
@pytest.mark.parametrize("config", [ALBUNET, RESNET50, SCSE], ids=lambda config: config.name)
def test_a_published_network_computes_a_film(config: NetworkConfig) -> None:
    """At a quarter of 1024, whose shapes are tested above."""
    torch.manual_seed(0)
    network = networks.build(config).eval()
    films = torch.randint(0, 256, (1, 256, 256), dtype=torch.uint8)
    with torch.inference_mode():
        logits = network(networks.network_input(films, config))
    assert logits.shape == (1, 1, 256, 256)
    assert logits.isfinite().all()
    assert logits.std() > 0  # neither a constant nor dead


@pytest.mark.slow
@pytest.mark.parametrize("config", [ALBUNET, RESNET50, SCSE], ids=lambda config: config.name)
def test_a_published_network_learns_in_two_training_steps(config: NetworkConfig) -> None:
    torch.manual_seed(0)
    network = networks.build(config).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    masks = torch.zeros(1, 256, 256)
    masks[:, 50:100, 50:80] = 1
    films = torch.randint(0, 256, (1, 256, 256), dtype=torch.uint8)
    for _ in range(2):  # timm begins each block's last scale at 0, behind which nothing moves in the first step
        optimizer.zero_grad()
        logits = network(networks.network_input(films, config))
        combo_loss(logits, masks, torch.ones(1), LossConfig(), lambda values: values).mean().backward()
        optimizer.step()
        assert logits.isfinite().all()
    still = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not [name for name in still if name.startswith("encoder.") or not name.endswith("bias")]
