"""What lies over the slices, as the page's scripts read it.

N slices; coordinates in pixels of the page, from the upper left corner of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hounsfield.core.imaging.series_view import Boxes, Contours, Curves, Heat, Overlay
from hounsfield.viewer.packing import pack_bytes

DIGITS = 5  # of probabilities and curves


def layers(overlays: Sequence[Overlay], reduction: int) -> dict[str, list[dict[str, Any]]]:
    """The overlays by kind. reduction: how many of their pixels make one of the page."""
    found: dict[str, list[dict[str, Any]]] = {"heats": [], "contours": [], "boxes": [], "curves": []}
    for one in overlays:
        if isinstance(one, Heat):
            size = {"rows": one.values.shape[1], "columns": one.values.shape[2]}
            found["heats"].append({"name": one.name, "label": one.label, **size, "packed": pack_bytes(one.values)})
        elif isinstance(one, Contours):
            polygons = [[_points(line, reduction) for line in lines] for lines in one.polygons]
            found["contours"].append({"name": one.name, "polygons": polygons})
        elif isinstance(one, Boxes):
            found["boxes"].append({"name": one.name, "corners": with_nulls(one.corners / reduction, 1)})
        elif isinstance(one, Curves):
            found["curves"].append({"name": one.name, "labels": list(one.labels), "values": with_nulls(one.values)})
    return found


def slices_of(overlay: Overlay) -> int:
    """How many slices an overlay is for."""
    if isinstance(overlay, Contours):
        return len(overlay.polygons)
    return len(overlay.corners if isinstance(overlay, Boxes) else overlay.values)


def with_nulls(values: np.ndarray, digits: int = DIGITS) -> list[Any]:
    """Rounded numbers as nested lists, None where one is not finite, which JSON has no word for."""
    numbers = np.round(np.asarray(values, float), digits).astype(object)
    numbers[~np.isfinite(np.asarray(values, float))] = None
    nested: list[Any] = numbers.tolist()
    return nested


def _points(line: np.ndarray, reduction: int) -> list[Any]:
    return with_nulls(np.asarray(line) / reduction, 1)
