from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.training.augmentation import augment, flip_shift_transpose
from hounsfield.core.training.backbones import build_network, embed, embedding_width, last_layer, load_pretrained


@pytest.mark.slow
def test_published_resnext101_weights_load_and_pool_to_the_same_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = torchvision.models.resnext101_32x8d(weights=None).eval()
    torch.save({f"module.{name}": value for name, value in published.state_dict().items()}, tmp_path / "wsl.pth")
    network = build_network("resnext101_32x8d.tv2_in1k", 6)
    load_pretrained(network, "resnext101_32x8d.tv2_in1k", str(tmp_path / "wsl.pth"), download=False)
    network.eval()
    images = torch.randn(2, 3, 96, 96)
    published.fc = torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(embed(network, images), published(images), atol=1e-4, rtol=0)
    assert embedding_width(network) == 2048
    assert last_layer(network).out_features == 6


@pytest.mark.parametrize("backbone", ["legacy_seresnext50_32x4d.in1k", "legacy_seresnext101_32x4d.in1k"])
def test_the_published_se_resnexts_are_average_pooling_and_a_linear_layer_without_dropout(backbone: str) -> None:
    with torch.device("meta"):
        network = build_network(backbone, 6)
    assert (embedding_width(network), last_layer(network).out_features) == (2048, 6)
    assert network.global_pool.pool_type == "avg"
    assert network.drop_rate == 0


def test_a_fine_tuned_state_dict_keeps_its_last_layer(tmp_path: Path) -> None:
    torch.manual_seed(1)
    tuned = build_network("test_resnet", 6)
    torch.save({f"module.{name}": value for name, value in tuned.state_dict().items()}, tmp_path / "tuned.pth")
    torch.manual_seed(2)
    network = build_network("test_resnet", 6)
    load_pretrained(network, "test_resnet", str(tmp_path / "tuned.pth"), download=False)
    assert torch.equal(last_layer(network).weight, last_layer(tuned).weight)


def test_weights_of_another_backbone_are_refused_by_name(tmp_path: Path) -> None:
    torch.save(build_network("test_byobnet", 6).state_dict(), tmp_path / "other.pth")
    with pytest.raises(BadInput, match=r"other\.pth does not fit the network"):
        load_pretrained(build_network("test_resnet", 6), "test_resnet", str(tmp_path / "other.pth"), download=False)


def test_a_missing_weights_file_says_how_to_name_another() -> None:
    with pytest.raises(MissingInput, match=r"none\.pth is missing: put the weights there, or name another file"):
        load_pretrained(build_network("test_resnet", 6), "test_resnet", "none.pth", download=False)


def test_an_unknown_backbone_is_refused_with_what_is_near_it() -> None:
    with pytest.raises(WrongUse, match=r"'resnext999' is not a timm model; nearest by spelling: res"):
        build_network("resnext999", 6)


def test_embeddings_times_the_last_layer_are_the_logits() -> None:
    network = build_network("test_resnet", 6).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(last_layer(network)(embed(network, images)), network(images))


def test_equal_seeds_augment_equally_in_any_order_and_different_seeds_differ() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    first, second = flip_shift_transpose(), flip_shift_transpose()
    forward = [augment(first, image, seed) for seed in range(30)]
    backward = [augment(second, image, seed) for seed in reversed(range(30))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))
    assert len({a.tobytes() for a in forward}) > 10


def test_augmentation_flips_half_transposes_half_and_shifts_a_third_independently() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[2:12, 18:30] = 255  # a block of 10 x 12 in the upper right
    flipped = image[:, ::-1]
    names = {
        picture.tobytes(): name
        for name, picture in (
            ("neither", image),
            ("flipped", flipped),
            ("transposed", image.swapaxes(0, 1)),
            ("both", flipped.swapaxes(0, 1)),
        )
    }
    changes = flip_shift_transpose()
    found = Counter(names.get(augment(changes, image, seed).tobytes(), "shifted") for seed in range(2000))
    assert found["shifted"] / 2000 == pytest.approx(0.3, abs=0.05)
    for name in names.values():
        assert found[name] / 2000 == pytest.approx(0.7 / 4, abs=0.04)
