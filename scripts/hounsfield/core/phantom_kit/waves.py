"""Smooth random fields as sums of plane waves: the same anywhere in space, so neighbouring slices agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grid import Array


@dataclass(frozen=True)
class Waves:
    """A random field over space with one typical wavelength: mean 0, standard deviation 1."""

    k: Array  # (waves, 3) radians per mm
    phase: Array  # (waves,)

    def at(self, x: Array, y: Array, z: Array | float) -> Array:
        """The field's values at points in mm: x and y of one shape, at height z."""
        total = np.zeros(x.shape, np.float32)
        for (kx, ky, kz), phase in zip(self.k, self.phase, strict=True):
            total += np.cos(kx * x + ky * y + np.asarray(kz * z + phase, np.float32))
        return np.asarray(total * np.float32(np.sqrt(2 / len(self.phase))), np.float32)


def random_waves(rng: np.random.Generator, wavelength: float, count: int, spread: float = 0.15) -> Waves:
    """Waves in every direction, `wavelength` mm long within a share of `spread`."""
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = wavelength * (1 + spread * rng.uniform(-1, 1, (count, 1)))
    phase: NDArray[np.float64] = rng.uniform(0, 2 * np.pi, count)
    return Waves((2 * np.pi / length * direction).astype(np.float32), phase.astype(np.float32))
