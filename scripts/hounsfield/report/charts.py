"""Charts as matplotlib figures: lines, points, bars; each is a file in PNG and SVG, and a piece of the page.

The same numbers give the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from hounsfield.core.pages.colours import CLASS_COLOURS
from hounsfield.core.storage.figure_files import save_figure
from hounsfield.core.storage.files import write_bytes

INK, FAINT = "#1b242c", "#8a939c"
SIZE = (4.2, 3.3)  # inches
MARGINS = {"left": 0.19, "right": 0.97, "bottom": 0.16, "top": 0.91}  # fixed: to find them takes half of the time
DPI = 100
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, and takes less
    "svg.hashsalt": "hounsfield",  # else identifiers are drawn by chance
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.facecolor": "white",  # a line behind a word would strike it out
    "legend.edgecolor": "none",
    "legend.fontsize": 8,
    "text.parse_math": False,  # a dollar sign is one
    "figure.facecolor": "white",
}


@dataclass(frozen=True)
class Line:
    """A curve, or points. x, y: (n,), NaN where it is interrupted."""

    label: str
    x: np.ndarray
    y: np.ndarray
    colour: int | None = 0  # of CLASS_COLOURS; None: faint, for what others are compared with
    style: str = "-"
    marker: str = ""


@dataclass(frozen=True)
class Chart:
    """What is drawn on one pair of axes."""

    name: str  # of its files; letters, digits and lower dashes
    title: str
    across: str
    up: str
    meaning: str  # one line on how to read it
    lines: Sequence[Line] = ()
    bars: tuple[np.ndarray, np.ndarray] | None = None  # edges (K + 1,) and heights (K,)
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    logarithmic: bool = False  # the scale upwards
    ticks: Sequence[str] = ()  # words at 0, 1, ... across, instead of numbers


def drawn(chart: Chart) -> Figure:
    """The figure of a chart."""
    figure = Figure(figsize=SIZE)
    axes = figure.subplots(gridspec_kw=MARGINS | ({"bottom": 0.33} if chart.ticks else {}))
    if chart.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    if chart.bars is not None:
        edges, heights = chart.bars
        axes.bar(edges[:-1], heights, np.diff(edges), align="edge", color=CLASS_COLOURS[0], edgecolor="white", lw=0.5)
    for line in chart.lines:
        colour = FAINT if line.colour is None else CLASS_COLOURS[line.colour % len(CLASS_COLOURS)]
        axes.plot(
            line.x,
            line.y,
            ls=line.style or "none",
            color=colour,
            marker=line.marker,
            ms=4,
            lw=1.4,
            label=_plain(line.label),
        )
    axes.set(title=_plain(chart.title), xlabel=_plain(chart.across), ylabel=_plain(chart.up))
    axes.set(xlim=chart.x_limits, ylim=chart.y_limits)
    if any(line.label for line in chart.lines):
        axes.legend(loc="best")
    if chart.ticks:
        axes.set_xticks(range(len(chart.ticks)), [_plain(tick) for tick in chart.ticks], rotation=45, ha="right")
    else:
        axes.locator_params(nbins=6)
    return figure


def _plain(text: str) -> str:
    """A text that matplotlib takes as it is, whatever it holds: one line, none that hides from a legend."""
    return re.sub(r"\s+", " ", text).lstrip("_")


def write_chart(folder: Path, chart: Chart) -> str:
    """Write a chart as PNG and SVG; returns it as a piece of a page, in the page's own colours."""
    with mpl.rc_context(STYLE):
        figure = drawn(chart)
        save_figure(folder / f"{chart.name}.png", figure, dpi=DPI)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": chart.title})
    write_bytes(folder / f"{chart.name}.svg", buffer.getvalue())
    return inlined(buffer.getvalue().decode(), chart.name, f"{chart.title}: {chart.up} over {chart.across}")


def inlined(svg: str, name: str, title: str) -> str:
    """An SVG file's element, its identifiers its own, its ink and classes in the colours of the page around it.

    name: before each identifier, so that those of two figures differ. title: read aloud in place of the figure.
    """
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'(url\(|href=")#', rf"\1#{name}-", element)
    element = re.sub(r"#ffffff\b", "var(--paper)", element)
    element = re.sub(rf"{INK}\b", "var(--ink)", element)
    element = re.sub(rf"{FAINT}\b", "var(--muted)", element)
    for number, colour in enumerate(CLASS_COLOURS):
        element = re.sub(rf"{colour}\b", f"var(--colour-{number})", element, flags=re.IGNORECASE)
    return element.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
