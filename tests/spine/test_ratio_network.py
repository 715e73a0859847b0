"""The ratio network: padding and neighbours change nothing, and what it is told of a slice's place matters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.lone_devices import CPU
from hounsfield.spine.config import NetworkConfig
from hounsfield.spine.losses import doubled_squares
from hounsfield.spine.networks.ratio import RatioNetwork
from hounsfield.spine.positions import window_positions
from hounsfield.spine.ratio_inference import mean_over_windows, mean_prediction
from hounsfield.spine.slice_window_data import Window
from reference.ratio_loss import curve, loss

NETWORK = NetworkConfig(backbone="test_resnet", size=32)
T, L = 4, 12


def network(mode: str = "true", dropout: float = 0.0) -> RatioNetwork:
    torch.manual_seed(0)
    return RatioNetwork(NETWORK, mode, dropout).eval()


def window(length: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A window of which `length` slices are there."""
    triplets = torch.randint(0, 256, (T, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    positions = torch.full((L,), torch.nan)
    positions[:length] = torch.from_numpy(window_positions(np.arange(length), 30, "true"))
    return triplets, positions


@pytest.mark.parametrize("length", [1, 3, 7, 12])
def test_what_is_padded_changes_nothing(length: int) -> None:
    net, (triplets, positions) = network(), window(length)
    full = -(-length // 3)
    alone = net(triplets[None, :full], positions[None, : 3 * full])[0, :length]
    triplets[full:] = 255
    padded = net(triplets[None], positions[None])[0, :length]
    torch.testing.assert_close(padded, alone, atol=1e-6, rtol=0)


def test_a_windows_predictions_do_not_change_with_the_others_of_its_batch() -> None:
    net, windows = network(), [window(length, seed) for seed, length in enumerate((12, 5, 9))]
    together = net(*(torch.stack(parts) for parts in zip(*windows, strict=True)))
    for (triplets, positions), predicted in zip(windows, together, strict=True):
        own = positions.isfinite()
        alone = net(triplets[None], positions[None])[0]
        torch.testing.assert_close(predicted[own], alone[own], atol=1e-6, rtol=0)


def test_batch_statistics_are_those_of_one_window_at_a_time() -> None:
    net, windows = network().train(), [window(12, 0), window(12, 1)]
    together = net(*(torch.stack(parts) for parts in zip(*windows, strict=True)))
    for (triplets, positions), predicted in zip(windows, together, strict=True):
        torch.testing.assert_close(predicted, net(triplets[None], positions[None])[0], atol=1e-5, rtol=0)


def test_true_positions_move_with_the_window_and_ordinal_ones_do_not() -> None:
    triplets, positions = window(12)
    moved = positions + 50
    for mode, differs in (("true", True), ("ordinal", False)):
        net = network(mode)
        there = torch.from_numpy(window_positions(np.arange(12), 30, "ordinal"))
        here, elsewhere = (positions, moved) if differs else (there, there)
        one, other = (net(triplets[None], places[None]) for places in (here, elsewhere))
        assert torch.equal(one, other) != differs


def test_the_three_slices_of_a_triplet_are_told_apart() -> None:
    triplets, positions = window(12)
    same = torch.zeros_like(positions)
    predicted = network()(triplets[None], same[None])[0]
    assert not torch.allclose(predicted[3], predicted[4], atol=1e-6)
    assert not torch.allclose(predicted[4], predicted[5], atol=1e-6)


def test_networks_are_averaged_and_padding_says_nothing() -> None:
    nets = [network(), RatioNetwork(NETWORK, "true", 0.0).eval()]
    triplets, positions = window(7)
    batch = Window(triplets[None], torch.full((1, L, 7), torch.nan), positions[None])
    found = mean_prediction(CPU, nets, batch)
    with torch.no_grad():
        expected = torch.stack([net(triplets[None], positions[None]) for net in nets]).mean(dim=0)
    np.testing.assert_allclose(found[0, :7], expected[0, :7], atol=1e-6)
    assert not found[0, 7:].any()


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_the_loss_is_that_of_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predictions, targets = rng.normal(size=(3, 6, 7)), rng.random((3, 6, 7)) * (rng.random((3, 6, 7)) < 0.5)
    targets[rng.random(targets.shape) < 0.1] = 2e-4
    targets[1, rng.integers(1, 7) :] = np.nan
    known = [[[None if np.isnan(value) else value for value in row] for row in one] for one in targets.tolist()]
    found = doubled_squares(torch.from_numpy(predictions), torch.from_numpy(targets), 5e-4).mean()
    assert float(found) == pytest.approx(loss(predictions.tolist(), known, 5e-4), abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(max_examples=40)
def test_the_mean_over_windows_is_that_of_the_reference(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.unique(np.append(np.arange(0, max(1, count - 9), 4), max(0, count - 10)))
    predictions = rng.random((len(starts), 10, 7))
    found = mean_over_windows(predictions, starts, count)
    for column in range(7):
        said = [(start, own[: count - start, column].tolist()) for start, own in zip(starts, predictions, strict=True)]
        np.testing.assert_allclose(found[:, column], curve(said, count), atol=1e-6)
