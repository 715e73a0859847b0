"""A study in one picture: its middle plane from the side, where each vertebra was found, and if it is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hounsfield.competitions.rsna2022.labels import VERTEBRAE
from hounsfield.core.imaging.windows import BONE, apply_window
from hounsfield.core.pages.colours import OKABE_ITO
from hounsfield.core.storage.figure_files import save_figure

SLAB = 3.0  # mm from side to side that the middle plane averages
HEIGHT = 7.0  # inches, of the panels
CURVES, BARS = 0.5, 0.5  # their panels' widths, as shares of the height
NARROWEST, WIDEST = 0.2, 2.0  # the middle plane's; a study of few slices is drawn higher than it is
BOX_COLOUR = "#56B4E9"
LEAST_APART = 0.055  # of the height, between two names


@dataclass(frozen=True)
class StudyView:
    """What the picture of a study is drawn from. Slices run from head to feet."""

    name: str
    volume: np.ndarray  # (slices, rows, columns) HU, may be memory-mapped
    spacing: tuple[float, float, float]  # mm between slices, rows and columns; NaN where unknown
    ratios: np.ndarray  # (slices, 7), how much of each vertebra a slice shows, 0 to 1; NaN where not predicted
    box: tuple[float, float, float, float]  # x0, y0, x1, y1, pixels
    slices: tuple[int, int]  # the first and the last that show the neck
    probabilities: np.ndarray  # (8,), of a fracture anywhere, then of C1 to C7
    labels: np.ndarray | None = None  # (8,), 1: fractured; None or NaN where unknown


def draw_study(path: Path, view: StudyView) -> None:
    """Write the picture as PNG: three panels over one axis of slices.

    The vertebra's name stands where its curve peaks, and its bar there, too. A bar is hatched where the label says
    fractured.
    """
    slices, rows, _ = view.volume.shape
    between, across, _ = _known_spacing(view.spacing)
    # of the middle plane, as a share of the height
    width = float(np.clip(rows * across / (slices * between), NARROWEST, WIDEST))
    widths = (width, CURVES, BARS)
    figure = Figure(figsize=(HEIGHT * sum(widths) + 1.9, HEIGHT + 1.7), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True, width_ratios=widths)
    for panel, share in zip(panels, widths, strict=True):
        panel.set_box_aspect(1 / share)
    _draw_plane(panels[0], view)
    peaks = _peaks(view.ratios)
    _draw_curves(panels[1], view.ratios, peaks)
    _draw_probabilities(panels[2], view, peaks)
    panels[0].set_ylim(slices - 0.5, -0.5)
    figure.suptitle(f"{view.name}: fracture {view.probabilities[0]:.2f}{_label(view.labels)}")
    save_figure(path, figure)


def _known_spacing(spacing: Sequence[float]) -> tuple[float, float, float]:
    """The spacing; 1 mm for each that is unknown."""
    between, down, across = (one if np.isfinite(one) and one > 0 else 1.0 for one in spacing)
    return between, down, across


def _label(labels: np.ndarray | None) -> str:
    if labels is None or not np.isfinite(labels[0]):
        return ""
    return " (label: fractured)" if labels[0] else " (label: not fractured)"


def _peaks(ratios: np.ndarray) -> np.ndarray:
    """The slice of each curve's highest value; the middle one for a curve without any."""
    known = np.nan_to_num(ratios, nan=-1.0)
    return np.where(known.max(axis=0) > 0, known.argmax(axis=0), len(ratios) // 2)


def _draw_plane(panel: Axes, view: StudyView) -> None:
    """The middle plane of the box, front to the left, with the box and the range of slices."""
    x0, y0, x1, y1 = view.box
    columns = view.volume.shape[2]
    half = max(1, round(SLAB / 2 / _known_spacing(view.spacing)[2]))
    middle = int(np.clip((x0 + x1) / 2, half, columns - half))
    plane = np.asarray(view.volume[:, :, middle - half : middle + half], np.float32).mean(axis=2)
    panel.imshow(apply_window(plane, BONE), cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="bilinear")
    first, last = view.slices
    outline = Rectangle(
        (y0 - 0.5, first - 0.5), y1 - y0, last - first + 1, fill=False, edgecolor=BOX_COLOUR, linewidth=2
    )
    panel.add_patch(outline)
    panel.set_xlabel("row (front to back)")
    panel.set_ylabel("slice (head to feet)")
    panel.set_title("middle plane; box and range found")


def _draw_curves(panel: Axes, ratios: np.ndarray, peaks: np.ndarray) -> None:
    at = np.arange(len(ratios))
    for name, colour, curve, place in zip(VERTEBRAE, OKABE_ITO, ratios.T, _spread(peaks, len(ratios)), strict=True):
        panel.plot(curve, at, color=colour, linewidth=1.8)
        panel.text(1.04, place, name, color=colour, va="center", fontweight="bold", fontsize=11)
    panel.set_xlim(0, 1.2)
    panel.set_xlabel("share of the vertebra's most")
    panel.set_title("vertebra in the slice")
    panel.grid(axis="x", alpha=0.3)


def _draw_probabilities(panel: Axes, view: StudyView, peaks: np.ndarray) -> None:
    high = LEAST_APART * len(view.volume)
    for i, place in enumerate(_spread(peaks, len(view.volume))):
        broken = view.labels is not None and view.labels[i + 1] == 1
        probability = float(view.probabilities[i + 1])
        with mpl.rc_context({"hatch.color": "white", "hatch.linewidth": 1.5}):
            panel.barh(place, probability, 0.7 * high, color=OKABE_ITO[i], hatch="//" if broken else None)
        words = f"{VERTEBRAE[i]} {probability:.2f}{' fractured' if broken else ''}"
        panel.text(min(probability, 0.98) + 0.02, place, words, va="center", fontsize=10)
    panel.set_xlim(0, 1.6)
    panel.set_xticks([0, 0.25, 0.5, 0.75, 1])
    panel.set_xlabel("probability of a fracture")
    panel.set_title("fracture")
    panel.grid(axis="x", alpha=0.3)


def _spread(peaks: np.ndarray, slices: int) -> np.ndarray:
    """Places near the peaks that are far enough apart to be read, in the peaks' order; (7,) slices."""
    order = np.argsort(peaks, kind="stable")
    least = LEAST_APART * slices
    found = peaks[order].astype(float)
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1] + least)
    found -= max(0.0, found[-1] - (slices - 1))
    places = np.empty(len(found))
    places[order] = found
    return places
