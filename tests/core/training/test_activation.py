from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hounsfield.core.errors import WrongUse
from hounsfield.core.training.activation import class_activations
from hounsfield.core.training.backbones import build_network
from hounsfield.core.training.devices import Devices
from reference.grad_cam import grad_cam

CPU = Devices(torch.device("cpu"), rank=0, world=1, half=None)
CLASSES = 4


class LooksAtOneCorner(nn.Module):
    """Class 0 is the brightness of the upper left quarter, class 1 that of the lower right one."""

    def forward_features(self, images: Tensor) -> Tensor:
        half = images.shape[-1] // 2
        first, second = torch.zeros_like(images[:, :1]), torch.zeros_like(images[:, :1])
        first[..., :half, :half] = images[:, :1, :half, :half]
        second[..., half:, half:] = images[:, :1, half:, half:]
        return torch.cat([first, second], dim=1)

    def forward_head(self, features: Tensor) -> Tensor:
        return features.mean(dim=(-1, -2))


@pytest.mark.parametrize(("label", "corner"), [(0, (slice(0, 4), slice(0, 4))), (1, (slice(4, 8), slice(4, 8)))])
def test_the_map_peaks_where_the_answer_comes_from_whatever_else_is_bright(
    label: int, corner: tuple[slice, slice]
) -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)) + 0.1
    images[:, :, 0, 7] = 100  # seen by neither
    maps = class_activations(LooksAtOneCorner(), images, 2, CPU)[:, label]
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[corner] = True
    assert (maps[:, inside] > 0).all()
    assert not maps[:, ~inside].any()
    for one, image in zip(maps, images[:, 0], strict=True):
        assert one.argmax() == (image * inside).argmax()


BACKBONES = ["test_byobnet", "test_resnet", "test_efficientnet", "test_convnext"]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_maps_are_those_of_the_published_formula(backbone: str) -> None:
    torch.manual_seed(0)
    network = build_network(backbone, CLASSES).double().eval()
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        features = network.forward_features(image)

    def scores(one: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network.forward_head(torch.from_numpy(one)[None])[0].numpy()

    few = features[0].numpy()
    found = class_activations(network, image, CLASSES, CPU)[0].numpy()
    expected = grad_cam(scores, few)
    assert expected.max() > 1e-4
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-6)


def test_features_that_come_with_channels_last_are_read_so() -> None:
    torch.manual_seed(0)
    plain = build_network("test_resnet", CLASSES).eval()

    class Turned(nn.Module):
        output_fmt = "NHWC"

        def forward_features(self, images: Tensor) -> Tensor:
            return plain.forward_features(images).permute(0, 2, 3, 1)

        def forward_head(self, features: Tensor) -> Tensor:
            return plain.forward_head(features.permute(0, 3, 1, 2))

    images = torch.randn(2, 3, 64, 64)
    expected = class_activations(plain, images, CLASSES, CPU)
    torch.testing.assert_close(class_activations(Turned(), images, CLASSES, CPU), expected)


@pytest.mark.parametrize("training", [False, True])
def test_nothing_of_the_network_changes_and_no_gradient_is_left(training: bool) -> None:
    torch.manual_seed(0)
    network = build_network("test_byobnet", CLASSES)
    network.eval()
    network.stem.train(training)  # a part in another mode stays in it
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [part.training for part in network.modules()]
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in network.modules()]
    images = torch.randn(2, 3, 64, 64)
    found = class_activations(network, images, CLASSES, CPU)
    assert [part.training for part in network.modules()] == modes
    assert [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in network.modules()] == hooks
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert not found.requires_grad
    assert not images.requires_grad
    if not training:
        assert all(network.state_dict()[name].equal(value) for name, value in before.items())


def test_the_same_images_give_the_same_maps_alone_or_in_a_batch() -> None:
    torch.manual_seed(0)
    network = build_network("test_byobnet", CLASSES).eval()
    images = torch.randn(3, 3, 64, 64)
    found = class_activations(network, images, CLASSES, CPU)
    assert found.equal(class_activations(network, images, CLASSES, CPU))
    torch.testing.assert_close(class_activations(network, images[1:2], CLASSES, CPU), found[1:2])


def test_a_network_without_a_map_of_features_is_refused() -> None:
    with pytest.raises(WrongUse, match="VisionTransformer has no map of features"):
        class_activations(build_network("test_vit", CLASSES).eval(), torch.randn(1, 3, 160, 160), CLASSES, CPU)
