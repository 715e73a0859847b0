"""The rolling mean over three neighbouring slices, one slice after another."""

from __future__ import annotations

from collections.abc import Sequence


def rolling_mean_of_series(values: Sequence[float]) -> list[float]:
    """Weights 0.6, 1.8, 0.6 over those of the three slices that exist. values: one class, in order along one series."""
    result = []
    for i in range(len(values)):
        total, weights = 1.8 * values[i], 1.8
        if i > 0:
            total, weights = total + 0.6 * values[i - 1], weights + 0.6
        if i + 1 < len(values):
            total, weights = total + 0.6 * values[i + 1], weights + 0.6
        result.append(total / weights)
    return result
