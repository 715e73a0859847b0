from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hounsfield.core.errors import BadInput
from hounsfield.spine.config import NetworkConfig, StudyConfig
from hounsfield.spine.losses import FRACTURE_COLUMNS
from hounsfield.spine.networks.fracture import FractureNetwork, fill_frames
from hounsfield.spine.networks.frames import build_frames
from hounsfield.spine.networks.study import FrozenFramesStudyNetwork

CONFIG = NetworkConfig(backbone="test_resnet", size=32)
FILE = Path("some/weights.safetensors")


def network(seed: int = 0) -> FractureNetwork:
    torch.manual_seed(seed)
    return FractureNetwork(CONFIG)


def window(steps: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.randint(0, 256, (1, steps, 32, 32, 3), dtype=torch.uint8), torch.linspace(0, 200, steps)[None]


def with_padding(triplets: Tensor, positions: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Steps behind the end, which would be seen if somebody looked."""
    more = steps - triplets.shape[1]
    white = torch.full((1, more, 32, 32, 3), 255, dtype=torch.uint8)
    return torch.cat([triplets, white], dim=1), torch.cat([positions, torch.full((1, more), math.nan)], dim=1)


def test_each_triplet_has_ratios_fractures_and_any_fracture() -> None:
    made = network()
    assert made(*window(4)).shape == (1, 4, FRACTURE_COLUMNS) == (1, 4, 7 + 7 + 1)
    width = made.frames.num_features + 16
    assert (made.lstm.input_size, made.lstm.hidden_size, made.head.in_features) == (width, width, 2 * width)


@torch.no_grad()
def test_neither_padding_nor_other_windows_change_what_is_said_of_a_window() -> None:
    made, short, long = network().eval(), window(3), window(5, seed=1)
    alone = made(*short)
    padded = with_padding(*short, 5)
    both = made(*(torch.cat(parts) for parts in zip(padded, long, strict=True)))
    torch.testing.assert_close(made(*padded)[:, :3], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(both[:1, :3], alone, atol=1e-6, rtol=0)


def test_batch_statistics_do_not_know_of_padding() -> None:
    plain, padded = network(), network()
    plain(*window(3))
    padded(*with_padding(*window(3), 7))
    for (name, one), other in zip(plain.frames.named_buffers(), padded.frames.buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


@torch.no_grad()
def test_where_a_slice_lies_changes_what_is_said_of_it() -> None:
    """Published: the position that the embedding was given was ignored (defect 9)."""
    made, (triplets, positions) = network().eval(), window(4)
    assert (made(triplets, positions) - made(triplets, positions.flip(1))).abs().max() > 1e-4


def test_the_slice_network_is_taken_out_of_the_fracture_networks_weights() -> None:
    made, frames = network(1), build_frames(CONFIG)
    fill_frames(frames, made.state_dict(), source=FILE)
    assert all(torch.equal(one, made.frames.state_dict()[name]) for name, one in frames.state_dict().items())


def test_weights_without_the_slice_network_or_a_part_of_it_are_refused() -> None:
    """Published: a table of predictions matched the file pattern, and was loaded as no weights at all (defect 3)."""
    frames, weights = build_frames(CONFIG), network().state_dict()
    with pytest.raises(BadInput, match=r"some/weights\.safetensors holds no slice network"):
        fill_frames(frames, {"probabilities": torch.zeros(3)}, source=FILE)
    some = next(name for name in weights if name.startswith("frames.") and name.endswith("weight"))
    with pytest.raises(BadInput, match=some.removeprefix("frames.")):
        fill_frames(frames, {name: value for name, value in weights.items() if name != some}, source=FILE)


def study_network(*, train_statistics: bool, chunk: int = 4) -> FrozenFramesStudyNetwork:
    torch.manual_seed(0)
    config = StudyConfig(hidden=4, steps=6, chunk=chunk, train_statistics=train_statistics)
    return FrozenFramesStudyNetwork(CONFIG, config).train()


@pytest.mark.parametrize("train_statistics", [False, True])
def test_only_asked_for_statistics_of_the_slice_network_move(train_statistics: bool) -> None:
    made = study_network(train_statistics=train_statistics)
    before = {name: value.clone() for name, value in made.frames.state_dict().items()}
    made(window(9)[0][0], torch.tensor([4, 5])).sum().backward()  # the third chunk has one image
    moved = [name for name, value in made.frames.state_dict().items() if not torch.equal(value, before[name])]
    assert bool(moved) == train_statistics
    assert all(parameter.grad is None for parameter in made.frames.parameters())
    assert all(parameter.grad is not None for parameter in made.study.parameters())


@torch.no_grad()
def test_the_chunks_of_a_frozen_slice_network_change_nothing() -> None:
    triplets, lengths = window(9)[0][0], torch.tensor([4, 5])
    logits = [study_network(train_statistics=False, chunk=chunk)(triplets, lengths) for chunk in (1, 4, 64)]
    for other in logits[1:]:
        torch.testing.assert_close(other, logits[0], atol=1e-6, rtol=0)
