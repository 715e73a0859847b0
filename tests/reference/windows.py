"""The published windowing, written plainly: three float images, clipped and scaled one by one."""

from __future__ import annotations

import numpy as np


def three_windows(hu: np.ndarray) -> np.ndarray:
    """hu: (rows, columns) float64. Returns (rows, columns, 3) uint8: brain, subdural, soft tissue."""
    channels = []
    for lower, width in ((0.0, 80.0), (-20.0, 200.0), (-150.0, 380.0)):
        clipped = np.clip(hu, lower, lower + width)
        scaled = (clipped - lower) / width
        scaled = scaled - scaled.min()
        channels.append((scaled * 255).astype(np.uint8))
    return np.stack(channels, axis=-1)
