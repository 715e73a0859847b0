"""Figures: the scores of a grid of rules as surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hounsfield.core.storage.figure_files import save_figure
from hounsfield.pneumothorax.config import Triplet
from hounsfield.pneumothorax.thresholds import Choice

PAIRS = (("top", "area"), ("top", "bottom"), ("area", "bottom"))  # the two axes of each panel
NAMES = {"top": "top (probability)", "area": "area (per mille of the image)", "bottom": "bottom (probability)"}
MOST_TICKS = 12


def draw_surface(path: Path, choice: Choice, rules: Sequence[Triplet], title: str) -> None:
    """Draw the mean Dice over the grid: a panel for each two of its axes, the third at its best.

    A ring marks the rule that was chosen on all films, crosses those chosen without one fold.
    """
    scores = choice.overall
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    panels = figure.subplots(1, len(PAIRS))
    for panel, pair in zip(panels, PAIRS, strict=True):
        image = _panel(panel, pair, scores, choice, rules)
    figure.colorbar(image, ax=panels, label="mean Dice, the third axis at its best", shrink=0.9)
    folds = f"; chosen nested by fold {choice.nested:.4f}" if choice.by_fold else ""
    figure.suptitle(f"{title}: mean Dice chosen on the same films (optimistic) {choice.optimistic:.4f}{folds}")
    save_figure(path, figure)


def _panel(
    panel: Axes, pair: tuple[str, str], scores: np.ndarray, choice: Choice, rules: Sequence[Triplet]
) -> mpl.image.AxesImage:
    across, up = ([getattr(rule, name) for rule in rules] for name in pair)
    columns, lines = (sorted(set(values)) for values in (across, up))
    best = np.full((len(lines), len(columns)), np.nan)
    places = [(lines.index(y), columns.index(x)) for x, y in zip(across, up, strict=True)]
    for place, score in zip(places, scores, strict=True):
        best[place] = np.fmax(best[place], score)
    image = panel.imshow(best, origin="lower", aspect="auto", cmap="viridis", vmin=scores.min(), vmax=scores.max())
    for rule in choice.by_fold.values():
        panel.plot(places[rule][1], places[rule][0], "x", color="white", markersize=9, markeredgewidth=2)
    chosen = places[choice.everywhere]
    panel.plot(chosen[1], chosen[0], "o", color="red", markersize=16, markerfacecolor="none", markeredgewidth=2)
    for axis, name, values in ((panel.xaxis, pair[0], columns), (panel.yaxis, pair[1], lines)):
        step = -(-len(values) // MOST_TICKS)
        scale = 1000 if name == "area" else 1
        axis.set_ticks(range(0, len(values), step), [f"{value * scale:.3g}" for value in values[::step]])
        axis.set_label_text(NAMES[name])
    return image
