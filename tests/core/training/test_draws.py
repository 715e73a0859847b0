from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.training.draws import batches, epoch_order, seed_of, split_batch


@given(st.integers(0, 2**31), st.integers(0, 50), st.integers(1, 300))
def test_an_epochs_order_is_a_permutation_that_seed_and_epoch_determine(seed: int, epoch: int, count: int) -> None:
    order = epoch_order(seed, epoch, count)
    assert np.array_equal(np.sort(order), np.arange(count))
    assert np.array_equal(order, epoch_order(seed, epoch, count))


def test_epochs_differ_in_order() -> None:
    assert not np.array_equal(epoch_order(1, 0, 100), epoch_order(1, 1, 100))


def test_nearby_numbers_give_unrelated_seeds() -> None:
    assert len({seed_of(1234, epoch, row) for epoch in range(20) for row in range(200)}) == 4000


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_the_parts_of_a_batch_weigh_as_the_whole_whatever_the_split(size: int, world: int, parts: int) -> None:
    batch = np.random.default_rng(size).permutation(100)[:size]
    losses = np.random.default_rng(1).normal(size=100)
    shares = [s for rank in range(world) for s in split_batch(batch, rank=rank, world=world, parts=parts)]
    assert all(len(share.samples) for share in shares)
    counted = np.concatenate([share.samples[share.weights > 0] for share in shares])
    assert np.array_equal(np.sort(counted), np.sort(batch))
    total = sum(float(losses[share.samples] @ share.weights) for share in shares)
    np.testing.assert_allclose(total, losses[batch].mean(), rtol=1e-5, atol=1e-6)


def test_the_last_batch_may_be_smaller_and_no_sample_is_left_out() -> None:
    assert [len(batch) for batch in batches(np.arange(10), 4, drop_last=True)] == [4, 4]
    assert [len(batch) for batch in batches(np.arange(8), 4, drop_last=True)] == [4, 4]
    assert batches(np.arange(3), 4, drop_last=True) == []
    cut = batches(np.arange(10), 4)
    assert [len(batch) for batch in cut] == [4, 4, 2]
    assert np.concatenate(cut).tolist() == list(range(10))
