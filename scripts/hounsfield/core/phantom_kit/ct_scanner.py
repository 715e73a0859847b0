"""What a CT scanner adds to a drawn slice, blur and noise, and where it places the slices of a series."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .grid import Array, Grid

SCANNER_BLUR = 0.33  # mm, standard deviation
NOISE_BLUR = 0.40  # mm
AIR, DENSEST = -1000, 3000  # HU, between which a scan's values lie
SURELY_AIR = -900  # HU; below it what lies around the body shows


def scan_slice(rng: np.random.Generator, image: Array, grid: Grid, noise: float, around: Array | None = None) -> Array:
    """The whole slice as a scanner shows it: blurred, in air, with noise that neighbouring pixels share; HU.

    image: HU of the grid's rectangle. noise: standard deviation, HU. around: (size, size) HU above air of what lies
    around the body, such as a table. Returns (size, size) float32.
    """
    size = grid.size
    full = np.full((size, size), AIR, np.float32)
    full[grid.part] = _blurred(image, SCANNER_BLUR / grid.spacing)
    if around is not None:
        full += around * (full < SURELY_AIR)
    grain = _blurred(rng.standard_normal((size, size), np.float32), NOISE_BLUR / grid.spacing)
    broad = rng.standard_normal((size // 16 + 1, size // 16 + 1), np.float32)
    full += grain * np.float32(noise / grain.std())
    full += np.float32(0.25 * noise) * cv2.resize(broad, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.clip(full, AIR, DENSEST, out=full)


def _blurred(image: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32) if sigma > 0.25 else image


def slice_geometry(
    size: int, pixel: float, heights: Sequence[float], index: int, *, tilt: float, table: tuple[float, float, float]
) -> dict[str, list[float]]:
    """Position of the first pixel, direction of rows and columns and pixel size, as DICOM elements by keyword.

    size: rows and columns. pixel: mm. heights: of the series' slices along their normal, mm. tilt: of the gantry,
    degrees; it leans the slices back. table: mm added to every position.
    """
    pixel = round(pixel, 6)
    half = pixel * (size - 1) / 2
    cos, sin = float(np.cos(np.deg2rad(tilt))), float(np.sin(np.deg2rad(tilt)))
    from_first = heights[index] - heights[0]
    # The table moves along z, the heights count along the normal: the slices lie 1 / cos further apart on z.
    first = np.array([-half, -cos * half, heights[0] + from_first / cos + sin * half]) + table
    return {
        "ImagePositionPatient": [round(float(value), 6) for value in first],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, round(cos, 6), round(-sin, 6)],
        "PixelSpacing": [pixel, pixel],
    }
