"""The slice network: gradient checkpointing and chunks save memory, and change nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hounsfield.core.errors import WrongUse
from hounsfield.spine.config import NetworkConfig
from hounsfield.spine.networks.frames import build_frames, frame_features, frames_width

IMAGES = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def after_two_steps(*, checkpointing: bool) -> tuple[nn.Module, list[Tensor]]:
    """A network after two steps of training, and its last gradients."""
    torch.manual_seed(0)
    config = NetworkConfig(backbone="test_resnet", size=64, gradient_checkpointing=checkpointing)
    network = build_frames(config).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        frame_features(network, IMAGES).square().mean().backward()
        optimizer.step()
    return network, [value.grad for value in network.parameters() if value.grad is not None]


def test_checkpointing_changes_neither_gradients_nor_running_statistics() -> None:
    """Its second pass through a layer would move the running statistics a second time."""
    (plain, gradients), (saving, again) = (after_two_steps(checkpointing=one) for one in (False, True))
    for one, other in zip(gradients, again, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    found = dict(saving.named_buffers())
    for name, buffer in plain.named_buffers():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(found[name], buffer, atol=1e-6, rtol=1e-5)


def test_chunks_change_nothing_in_a_network_that_predicts() -> None:
    network = build_frames(NetworkConfig(backbone="test_resnet", size=64)).eval()
    whole = frame_features(network, IMAGES)
    assert whole.shape == (4, frames_width(network))
    torch.testing.assert_close(frame_features(network, IMAGES, chunk=3), whole, atol=1e-6, rtol=0)


def test_a_backbone_that_takes_another_size_alone_is_wrong_use() -> None:
    with pytest.raises(WrongUse, match="test_vit"):
        build_frames(NetworkConfig(backbone="test_vit", size=64))
