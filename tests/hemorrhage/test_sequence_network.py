from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.hemorrhage.sequence_network import SequenceNetwork, with_deltas
from reference.published_sequence import hand_case, published_forward, published_inputs, zero_weights

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


def published_weights(hidden: int, seed: int) -> dict[str, np.ndarray]:
    """A state dict with the published names, random throughout; and the projection where the widths differ."""
    generator = np.random.default_rng(seed)
    shapes = {name: zeros.shape for name, zeros in zero_weights(E, hidden).items()}
    if hidden != E:
        shapes |= {"project.weight": (2 * hidden, E), "project.bias": (2 * hidden,)}
    return {name: generator.normal(scale=0.5, size=shape) for name, shape in shapes.items()}


def loaded(weights: dict[str, np.ndarray], width: int, *, packed: bool) -> SequenceNetwork:
    net = SequenceNetwork(width, weights["linear.weight"].shape[1] // 2, packed=packed).double().eval()
    net.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return net


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    hidden=st.sampled_from([E, 8]),
    packed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_the_network_is_the_published_one_slice_by_slice(
    lengths: list[int], hidden: int, packed: bool, seed: int
) -> None:
    weights, series = published_weights(hidden, seed), random_series(seed, lengths)
    project = None if hidden == E else lambda e: weights["project.weight"] @ e + weights["project.bias"]
    embeddings, is_slice = padded(series, front=not packed)
    with torch.no_grad():
        found = loaded(weights, E, packed=packed)(embeddings.double(), is_slice)
    batches = [[one] for one in series] if packed else [series]  # packed, each series is as if alone
    expected = [logits for batch in batches for logits in published_forward(weights, published_inputs(batch), project)]
    for place, one in enumerate(series):
        np.testing.assert_allclose(found[place][is_slice[place]], expected[place][-len(one) :], atol=1e-6, rtol=0)


@pytest.mark.parametrize("packed", [True, False])
def test_the_network_gives_the_logits_that_were_worked_out_by_hand(packed: bool) -> None:
    case = hand_case()
    embeddings = torch.from_numpy(case.embeddings).unsqueeze(0)
    with torch.no_grad():
        found = loaded(case.weights, 2, packed=packed)(embeddings, torch.ones(1, 2, dtype=torch.bool))
    np.testing.assert_allclose(found[0], case.logits, atol=1e-6, rtol=0)


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


def test_a_published_state_dict_loads_by_name_and_gives_the_published_logits() -> None:
    weights, series = published_weights(E, 6), random_series(6, [9])
    net = network(E, packed=True)
    assert {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()} == {
        name: array.shape for name, array in weights.items()
    }
    with torch.no_grad():
        embeddings, is_slice = padded(series, front=False)
        found = loaded(weights, E, packed=True)(embeddings.double(), is_slice)
    np.testing.assert_allclose(found, published_forward(weights, published_inputs(series)), atol=1e-6, rtol=0)
