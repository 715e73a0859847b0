"""Numbers as JSON has them."""

from __future__ import annotations

import numpy as np


def number(value: float) -> float | None:
    """A number to nine decimals, which is more than a figure shows; None where it is not defined."""
    return None if np.isnan(value) else round(float(value), 9)


def numbers(values: np.ndarray) -> list[float | None]:
    """The same of each."""
    return [number(value) for value in values.tolist()]
