from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hounsfield.viewer.packing import block_means, pack_series, pack_slice
from reference.packed_pixels import unpack_slowly
from viewer.made_findings import made_head

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 7))


@given(arrays(np.int16, SHAPES, elements=st.integers(0, 2**13)))
def test_packing_loses_nothing(values: np.ndarray) -> None:
    assert unpack_slowly(pack_slice(values), *values.shape) == values.tolist()


def test_a_series_is_clipped_to_its_range_and_nothing_else() -> None:
    values = made_head(3, 20, 16).values
    packed = pack_series(values, -1350, 1300)
    assert (packed.rows, packed.columns, packed.reduction) == (20, 16, 1)
    for text, one in zip(packed.slices, values, strict=True):
        assert (np.array(unpack_slowly(text, 20, 16)) - 1350 == one.clip(-1350, 1300)).all()


def test_forty_slices_of_real_noise_fit_below_15_mb() -> None:
    # noise of 12 HU everywhere, air too, packs worse than the real heads that the budget was measured with
    noise = np.random.default_rng(0).normal(0, 12, (4, 512, 512)).round().astype(np.int16)
    packed = pack_series(np.repeat(noise, 10, axis=0), -1350, 1300)
    assert packed.reduction == 1
    assert sum(map(len, packed.slices)) < 15_000_000


def test_what_does_not_fit_is_averaged_as_finely_as_the_budget_allows() -> None:
    values = np.random.default_rng(0).integers(0, 1000, (6, 31, 29)).astype(np.int16)
    whole = sum(map(len, pack_series(values, 0, 1000, budget=10**9).slices))
    packed = pack_series(values, 0, 1000, budget=whole // 2)
    assert packed.reduction == 2
    assert (packed.rows, packed.columns) == (16, 15)
    assert sum(map(len, packed.slices)) <= whole // 2
    assert (np.array(unpack_slowly(packed.slices[3], 16, 15)) == block_means(values[3], 2)).all()


@pytest.mark.parametrize("side", [2, 3, 5])
def test_block_means_are_those_of_what_lies_in_each_block(side: int) -> None:
    values = np.random.default_rng(side).integers(-1000, 1000, (8, 11)).astype(np.int16)
    found = block_means(values, side)
    for row in range(found.shape[0]):
        for column in range(found.shape[1]):
            block = values[row * side : (row + 1) * side, column * side : (column + 1) * side]
            assert found[row, column] == np.rint(block.mean())
