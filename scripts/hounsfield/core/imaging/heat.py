"""Class activation maps laid over slices. N slices, C classes, h x w cells of a map, G = GRID cells a side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from hounsfield.core.imaging.boxes import Box
from hounsfield.core.imaging.series_view import Heat

GRID = 64  # cells a side of what is laid over a slice
LEAST_TOP = 0.5  # of the scale of a map, in units of the logit


class Cut(NamedTuple):
    """What a network saw of a slice: a box of it in the upper left corner of a square (`crop_to_square`)."""

    box: Box
    rows: int  # of the slice
    columns: int


def on_whole_slice(maps: np.ndarray, cut: Cut | None = None) -> np.ndarray:
    """Maps of what a network saw, as maps of the whole slice: (C, h, w) -> (C, GRID, GRID) float32.

    cut: None where it saw the whole slice. What lies outside of the box is 0; between cells the maps are interpolated,
    and beyond the outermost ones they go on as they are.
    """
    rows, columns = (GRID, GRID) if cut is None else (cut.rows, cut.columns)
    box = Box(0, 0, columns, rows) if cut is None else cut.box
    side = max(box.y1 - box.y0, box.x1 - box.x0)
    # centres of the cells of the grid, in pixels of the slice, and then in cells of the maps
    y, x = ((np.arange(GRID) + 0.5) * length / GRID for length in (rows, columns))
    row = ((y - box.y0) * maps.shape[1] / side - 0.5).astype(np.float32)
    column = ((x - box.x0) * maps.shape[2] / side - 0.5).astype(np.float32)
    at_row, at_column = np.meshgrid(row, column, indexing="ij")
    inside = np.outer((y >= box.y0) & (y < box.y1), (x >= box.x0) & (x < box.x1))
    found = [
        cv2.remap(np.ascontiguousarray(one), at_column, at_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for one in maps.astype(np.float32)
    ]
    return np.stack(found) * inside.astype(np.float32)


def activation_heats(name: str, maps: np.ndarray, labels: Sequence[str]) -> list[Heat]:
    """An overlay for each class. maps: (N, C, G, G), from 0 on, in units of the logit; labels: (C,).

    A class has one scale for all slices of the series. Its top is the greatest value, and LEAST_TOP at least: where
    hardly anything speaks for a class, its map stays faint.
    """
    top = np.maximum(maps.max(axis=(0, 2, 3), initial=0.0), LEAST_TOP)  # (C,)
    levels = np.rint(maps * (255 / top)[:, None, None]).astype(np.uint8)
    return [Heat(name, label, np.ascontiguousarray(levels[:, c])) for c, label in enumerate(labels)]
