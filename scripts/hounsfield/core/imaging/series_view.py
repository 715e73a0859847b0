"""What a page shows of one series: its pixels in order, and what can be laid over them.

N slices of H x W pixels, head to feet or as the series runs; C names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HOUNSFIELD, GREY = "HU", "grey"


@dataclass(frozen=True)
class SeriesPixels:
    """The slices of one series, as a reader sees them."""

    values: np.ndarray  # (N, H, W) int16
    unit: str  # HOUNSFIELD, or GREY for a film's 0 to 255
    positions_mm: np.ndarray  # (N,) along the slice normal; NaN where it is unknown
    pixel_mm: tuple[float, float] | None  # between rows, between columns; None where it is unknown
    letters: tuple[str, str, str, str] | None  # the patient's direction at the left, right, top and bottom edge


@dataclass(frozen=True)
class Heat:
    """An activation map for each slice, stretched over it."""

    name: str
    label: str  # the class that it explains
    values: np.ndarray  # (N, h, w) uint8


@dataclass(frozen=True)
class Contours:
    """Outlines on each slice."""

    name: str
    polygons: tuple[tuple[np.ndarray, ...], ...]  # of each slice: (n, 2) x and y in pixels


@dataclass(frozen=True)
class Boxes:
    """A rectangle on each slice."""

    name: str
    corners: np.ndarray  # (N, 4) left, top, right, bottom in pixels; NaN where a slice has none


@dataclass(frozen=True)
class Curves:
    """Values along the series, beside a view from the side."""

    name: str
    labels: tuple[str, ...]
    values: np.ndarray  # (N, K) in [0, 1]


Overlay = Heat | Contours | Boxes | Curves
