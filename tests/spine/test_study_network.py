from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hounsfield.spine.networks.attention import AttentionPool
from hounsfield.spine.networks.study import StudyNetwork, padded, shortened
from reference import attention_pooling as reference

F, H, STEPS = 6, 5, 12


def network() -> StudyNetwork:
    torch.manual_seed(0)
    made = StudyNetwork(F, H, STEPS).eval()
    torch.nn.init.normal_(made.attention.bias)
    return made


def features(seed: int, lengths: list[int]) -> list[Tensor]:
    draws = np.random.default_rng(seed)
    return [torch.from_numpy(draws.normal(size=(length, F)).astype(np.float32)) for length in lengths]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, STEPS), st.integers(0, 10**6))
def test_attention_pooling_is_the_plain_one(length: int, seed: int) -> None:
    torch.manual_seed(seed)
    pool = AttentionPool(3, STEPS)
    torch.nn.init.normal_(pool.bias)
    states = torch.randn(1, STEPS, 3)
    is_step = torch.arange(STEPS)[None] < length
    states[~is_step] = 0
    w, b = pool.weight[:, 0].tolist(), pool.bias.tolist()
    expected = reference.attention(states[0].tolist(), w, b, is_step[0].int().tolist())
    np.testing.assert_allclose(pool(states, is_step)[0].detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("length", "steps"), [(13, 12), (40, 12), (24, 12), (25, 2), (7, 1)])
def test_a_long_sequence_is_interpolated_as_the_plain_one(length: int, steps: int) -> None:
    one = features(1, [length])[0].double()  # in float32 the places alone are off by 1e-6
    expected = reference.interpolated(one.tolist(), steps)
    np.testing.assert_allclose(shortened(one, steps).numpy(), expected, atol=1e-6)


def test_a_sequence_that_fits_is_left_as_it_is() -> None:
    one = features(1, [STEPS])[0]
    assert shortened(one, STEPS) is one


def test_the_network_is_the_pooling_of_its_states_and_a_linear_layer() -> None:
    made, study = network(), features(2, [9])[0]
    states = made.lstm(study[None])[0][0]
    w, b = made.attention.weight[:, 0].tolist(), made.attention.bias.tolist()
    pooled = torch.tensor(reference.pooled(states.tolist(), w, b, [1] * 9))
    expected = made.head.weight @ pooled + made.head.bias
    torch.testing.assert_close(made(*padded([study], STEPS))[0], expected, atol=1e-6, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 2 * STEPS), min_size=2, max_size=5), st.integers(0, 10**6))
def test_predictions_of_a_study_do_not_change_with_the_others_in_its_batch(lengths: list[int], seed: int) -> None:
    made, studies = network(), features(seed, lengths)
    with torch.no_grad():
        together = made(*padded(studies, STEPS))
        for place, study in enumerate(studies):
            torch.testing.assert_close(together[place], made(*padded([study], STEPS))[0], atol=1e-6, rtol=0)


def test_padding_changes_nothing() -> None:
    """Published: the LSTM ran over it, and the maximum was at least the padding's state (defect 25)."""
    made, study = network(), features(3, [4])[0]
    batch, lengths = padded([study], STEPS)
    more = torch.cat([batch, torch.full((1, 5, F), 9.0)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(made(more, lengths), made(batch, lengths), atol=1e-6, rtol=0)


def test_states_that_are_all_negative_have_a_negative_maximum() -> None:
    made, (study, longer) = network(), features(4, [3, 8])
    with torch.no_grad():
        made.lstm.weight_ih_l0.zero_()
        made.lstm.weight_hh_l0.zero_()
        made.lstm.bias_hh_l0.zero_()
        gates = [5.0] * H + [0.0] * H + [-1.0] * H + [5.0] * H  # in, forget, cell, out: forward states below 0
        made.lstm.bias_ih_l0.copy_(torch.tensor(gates))
        made.head.weight.zero_()
        made.head.weight[:, 0] = 1
        made.head.bias.zero_()
        assert (made(*padded([study, longer], STEPS))[0] < 0).all()
