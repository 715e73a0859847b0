"""Run-length encoding: the specification's example, a slow reference, and what no mask is refused for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hounsfield.competitions.siim2019.rle import decode, encode, read_runs, union
from hounsfield.core.errors import Refused
from reference.film_masks import decode_pixel_by_pixel, encode_pixel_by_pixel

EXAMPLE = np.array([[0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1]], bool)
MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9))


def test_the_example_of_the_specification_is_encoded_with_its_last_pixel() -> None:
    assert encode(EXAMPLE) == "1 4 6 1"


def test_the_example_of_the_specification_is_decoded() -> None:
    assert (decode("1 4 6 1", (3, 4)) == EXAMPLE).all()


@given(MASKS)
@example(np.zeros((3, 4), bool))
@example(np.ones((3, 4), bool))
@example(np.ones((5, 1), bool))
@example(np.eye(4, dtype=bool)[:, ::-1])
@example(np.array([[0, 0], [0, 1]], bool))
def test_any_mask_survives_the_round_trip(mask: np.ndarray) -> None:
    assert (decode(encode(mask), (mask.shape[0], mask.shape[1])) == mask).all()


@given(MASKS)
def test_encoding_and_decoding_equal_the_pixel_by_pixel_reference(mask: np.ndarray) -> None:
    text = encode(mask)
    assert text == encode_pixel_by_pixel(mask.tolist())
    assert decode(text, (mask.shape[0], mask.shape[1])).tolist() == decode_pixel_by_pixel(text, *mask.shape)


@given(MASKS, st.integers(1, 2))
def test_a_transposed_or_strided_view_is_encoded_as_its_copy(mask: np.ndarray, step: int) -> None:
    assert encode(mask.T[::step]) == encode(mask.T[::step].copy())


@given(st.lists(arrays(bool, (5, 4)), min_size=1, max_size=4))
def test_several_rows_of_one_film_are_the_union_of_their_masks(masks: list[np.ndarray]) -> None:
    together = union([read_runs(encode(mask)) for mask in masks], (5, 4))
    assert (together == np.any(masks, axis=0)).all()


@pytest.mark.parametrize("text", ["", "-1", " -1", "  "])
def test_an_empty_text_is_an_empty_mask(text: str) -> None:
    mask = decode(text, (2, 3))
    assert mask.shape == (2, 3)
    assert not mask.any()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 2 3", "rle_odd"),
        ("5", "rle_odd"),
        ("1 2 -1 3", "rle_overlap"),
        ("-3 2", "rle_overlap"),
        ("1 0", "rle_length"),
        ("1 -4", "rle_length"),
        ("0 13", "rle_outside"),
        ("11 1 0 1", "rle_outside"),
        ("9999999999 1", "rle_outside"),
        ("99999999999999999999 1", "rle_outside"),
        ("1 2.5", "rle_text"),
        ("one two", "rle_text"),
    ],
)
def test_what_is_no_mask_of_this_size_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        decode(text, (3, 4))
    assert refused.value.code == code


def test_runs_that_touch_are_read_as_one() -> None:
    assert encode(decode("1 2 0 3", (3, 4))) == "1 5"
