"""Random streams and identifiers that depend on a seed and on numbers alone, never on what was drawn before."""

from __future__ import annotations

import numpy as np

SCRAMBLING_STREAM = 9  # the first number of scrambled_number's streams; no other stream may use it
ROUNDS = 4


def random_stream(seed: int, *stream: int) -> np.random.Generator:
    """A generator of its own for each purpose, patient and series."""
    return np.random.default_rng([seed, *stream])


def scrambled_number(seed: int, name_space: int, number: int, bits: int = 36) -> int:
    """Another number of `bits` bits for each number, in no visible order: what identifiers are made of.

    number: 0 to 2^bits - 1. bits: at most 62. Each round is a bijection (an odd factor and a constant, modulo 2^bits,
    then a shift folded in), so two numbers of one name space never give the same one.
    """
    rng = random_stream(seed, SCRAMBLING_STREAM, name_space)
    mask = (1 << bits) - 1
    for _ in range(ROUNDS):
        number = (number * (int(rng.integers(1 << (bits - 2))) * 2 + 1) + int(rng.integers(1 << bits))) & mask
        number ^= number >> (bits // 2 - 1)
    return number
