"""The benchmark of run-length encoding: what it measures, at a size that takes no time."""

from __future__ import annotations

from benchmark.run_lengths import pneumothorax_mask, run_length_lines
from hounsfield.competitions.siim2019.rle import encode
from reference.film_masks import decode_pixel_by_pixel, encode_pixel_by_pixel


def test_encoding_and_decoding_are_measured_beside_the_reference_which_makes_the_same() -> None:
    lines = run_length_lines(size=64, repeats=1)
    assert [line.what for line in lines] == ["run lengths, encoding", "run lengths, decoding"]
    assert all(line.at_least == 200 and line.unit == "masks/s" for line in lines)
    mask = pneumothorax_mask(64)
    assert 0.02 < mask.mean() < 0.2
    assert encode(mask) == encode_pixel_by_pixel(mask.tolist())
    assert decode_pixel_by_pixel(encode(mask), 64, 64) == mask.tolist()
