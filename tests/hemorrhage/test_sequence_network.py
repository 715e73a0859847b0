from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.hemorrhage.networks import SequenceNetwork, with_deltas
from reference.published_sequence import published_forward, published_inputs

E = 12


def network(hidden: int, *, packed: bool) -> SequenceNetwork:
    torch.manual_seed(0)
    return SequenceNetwork(E, hidden, packed=packed).eval()


def padded(series: list[np.ndarray], *, front: bool) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(one) for one in series)
    embeddings = torch.zeros(len(series), longest, E)
    is_slice = torch.zeros(len(series), longest, dtype=torch.bool)
    for place, one in enumerate(series):
        steps = slice(longest - len(one), longest) if front else slice(0, len(one))
        embeddings[place, steps] = torch.from_numpy(one)
        is_slice[place, steps] = True
    return embeddings, is_slice


def random_series(seed: int, lengths: list[int]) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(length, E)).astype(np.float32) for length in lengths]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.integers(0, 1000))
def test_predictions_of_a_series_do_not_change_with_the_others_in_its_batch(lengths: list[int], seed: int) -> None:
    net, series = network(8, packed=True), random_series(seed, lengths)
    with torch.no_grad():
        together = net(*padded(series, front=False))
        for place, one in enumerate(series):
            alone = net(*padded([one], front=False))[0]
            torch.testing.assert_close(together[place, : len(one)], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("hidden", [E, 8])
def test_unpacked_the_network_is_the_published_forward_pass(hidden: int) -> None:
    net, series = network(hidden, packed=False), random_series(3, [7, 1, 12])
    with torch.no_grad():
        found = net(*padded(series, front=True))
        expected = published_forward(net, published_inputs(series))
    for place, one in enumerate(series):
        torch.testing.assert_close(found[place, -len(one) :], expected[place, -len(one) :], atol=1e-6, rtol=0)


def test_as_published_the_padding_before_a_series_changes_its_predictions() -> None:
    net, (short, long) = network(8, packed=False), random_series(4, [3, 20])
    with torch.no_grad():
        alone = net(*padded([short], front=True))[0, -3:]
        beside = net(*padded([short, long], front=True))[0, -3:]
    assert (alone - beside).abs().max() > 1e-4


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.booleans())
def test_deltas_never_reach_into_the_padding(lengths: list[int], front: bool) -> None:
    series = random_series(1, lengths)
    inputs = with_deltas(*padded(series, front=front))
    for place, expected in enumerate(published_inputs(series, pad=False)):
        steps = slice(-len(expected), None) if front else slice(0, len(expected))
        np.testing.assert_allclose(inputs[place, steps].numpy(), expected, atol=1e-6)


def test_a_series_of_one_slice_has_zero_deltas_and_a_prediction() -> None:
    net, series = network(8, packed=True), random_series(5, [1])
    inputs = with_deltas(*padded(series, front=False))
    assert (inputs[..., E:] == 0).all()
    with torch.no_grad():
        assert net(*padded(series, front=False)).isfinite().all()


def test_a_published_state_dict_loads_by_name() -> None:
    assert {name.split(".")[0] for name in network(E, packed=True).state_dict()} == {
        "lstm1",
        "lstm2",
        "linear1",
        "linear2",
        "linear",
    }
