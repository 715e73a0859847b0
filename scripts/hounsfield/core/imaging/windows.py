"""Display windows over Hounsfield units, as formulas and as look-up tables over stored values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """A display window: `center` and `width` in Hounsfield units."""

    center: float
    width: float

    @property
    def upper(self) -> float:
        """The highest value shown, in Hounsfield units; everything above is white."""
        return self.center + self.width / 2

    @property
    def lower(self) -> float:
        """The lowest value shown, in Hounsfield units; everything below is black."""
        return self.center - self.width / 2


BRAIN = Window(center=40, width=80)
SUBDURAL = Window(center=80, width=200)
SOFT_TISSUE = Window(center=40, width=380)  # the published code calls this one "bone"
BONE = Window(center=400, width=1800)
LUNG = Window(center=-600, width=1500)


def apply_window(hu: np.ndarray, window: Window) -> np.ndarray:
    """Clip Hounsfield units to a display window and scale to 0..1.

    hu: any shape, float; air -1000, water 0. Returns the same shape, float64; the window's centre maps to 0.5.
    Source: DICOM PS3.3 C.11.2.1.3 (LINEAR_EXACT).
    """
    return np.clip((hu - window.lower) / window.width, 0.0, 1.0)


def window_table(hu: np.ndarray, windows: Sequence[Window]) -> np.ndarray:
    """Look-up table of 8-bit grey values over the Hounsfield units of one image's stored values.

    hu: (K,) float64, the Hounsfield units of consecutive stored values, from the image's smallest to its largest.
    Returns (K, len(windows)) uint8. In each window the image's darkest value becomes 0, the rest is scaled by 255 and
    truncated (RSNA 2019, 2nd place).
    """
    table = np.empty((len(hu), len(windows)), np.uint8)
    for channel, window in enumerate(windows):
        scaled = apply_window(hu, window)
        table[:, channel] = (scaled - scaled.min()) * 255
    return table
