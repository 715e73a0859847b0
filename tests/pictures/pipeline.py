"""The pipeline as a flow diagram: the stages from top to bottom, the files between them, and the ways through them.

Places are inches from the top-left corner of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from hounsfield.core.imaging.windows import BRAIN, apply_window
from pictures.figures import (
    AIR,
    FINE,
    HEAD_MM,
    HEADING,
    INK,
    LINE,
    MUTED,
    PAPER,
    SMALL,
    TEXT,
    WIDTH,
    Example,
    add_image,
    cut_head,
    draw_arrow,
    draw_crop_box,
    make_example,
    new_figure,
    preparation_steps,
)

LEFT, RIGHT = 0.1, 7.12  # of the stages
TOP = 0.82  # of the first files, below the names of the ways
STAGE, FILE, GAP = 0.86, 0.25, 0.13  # heights
FILE_WIDTH = 3.43
PICTURE = 0.60  # height of the small images
BOTTOM = 0.02
STRONG, STAGE_FILL, FILE_FILL, BLOCK_FILL = "#2f4b66", "#f4f6f8", "#fdf6e7", "#c7d3df"


@dataclass(frozen=True)
class Stage:
    """A numbered stage, and the files that it leaves: name, what is in it."""

    number: str
    name: str
    job: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Way:
    """A program that runs several stages."""

    number: str
    meaning: str
    colour: str
    stages: tuple[str, ...]


INPUTS = (("DICOM archive", "the competition's zip, or phantoms"), ("DICOM folder", "your own studies"))
STAGES = (
    Stage("01", "prepare", "one pass over the files: three windows,\nthe box of the head, patients in five folds",
          (("images/<xx>/<image_id>.jpg", "three channels"), ("slices.parquet", "one row a slice, for all stages"))),
    Stage("12", "classifier", "ResNeXt101 on single slices; one model\nfor each fold, weights of every epoch",
          (("fold<k>/epoch<e>.safetensors", "weights"), ("images/, slices.parquet", "from 01"))),
    Stage("13", "embeddings", "the 2048 numbers before the last layer,\nfor every slice in three views",
          (("fold<k>/epoch<e>/<view>.npy", "N × 2048"), ("<experiment>.tar", "the same, packed by 16 for 31"))),
    Stage("14", "sequence", "LSTM in both directions over a series,\nof $e_t$, $e_t-e_{t-1}$ and $e_t-e_{t+1}$",
          (("fold<k>_epoch<e>.parquet", "six probabilities"), ("slices.parquet", "from 01: order, labels, folds"))),
    Stage("15", "bag", "the mean of all runs; every step scored\non patients that its models have not seen",
          (("submission.csv.gz", "ID, Label"), ("scores.csv", "prior, classifier, sequence, bag"))),
)  # fmt: skip
PASSED_ON = (("12", 1), ("14", 1))  # files that an earlier stage made and the next one reads too
PACKED = ("13", 1)  # a copy for elsewhere, not what the next stage reads
WAYS = (
    Way("00", "quickstart: every stage, on phantoms", "#6b7280", ("01", "12", "13", "14", "15")),
    Way("21", "single: one model on all patients", "#0072b2", ("01", "12", "13", "14", "15")),
    Way("17", "your own studies, with trained models", "#009e73", ("01", "13", "14", "15")),
    Way("31", "fast: from embeddings alone, no image", "#d55e00", ("14", "15")),
)


def draw_pipeline(size: int = 512) -> Figure:
    """The whole diagram. size: rows and columns of the phantom slices in it."""
    period = STAGE + FILE + 2 * GAP
    tops = {stage.number: TOP + FILE + GAP + i * period for i, stage in enumerate(STAGES)}
    height = TOP + FILE + len(STAGES) * period + BOTTOM
    figure = new_figure(height, FINE)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_axis_off()
    example = make_example("intraparenchymal", 10, size)
    for place, (name, note) in enumerate(INPUTS):
        _draw_file(axes, place, TOP, name, note)
        _draw_step(axes, place, TOP + FILE)
    for stage in STAGES:
        _draw_stage(axes, stage, tops[stage.number])
        _draw_files(axes, stage, tops[stage.number] + STAGE + GAP)
        _PICTURES[stage.number](figure, axes, example, tops[stage.number] + 0.09)
    for place, way in enumerate(WAYS):
        _draw_way(axes, way, RIGHT + 0.38 + 0.4 * place, tops)
        _draw_legend(axes, way, LEFT + 3.55 * (place % 2), 0.2 + 0.3 * (place // 2))
    return figure


# ---- boxes, files, lines -------------------------------------------------------------------------------------------


def _write(axes: Axes, x: float, y: float, text: str, size: float = TEXT, **style: Any) -> None:
    settings = {"ha": "left", "va": "center", "color": INK, "linespacing": 1.35, **style}
    axes.text(x, y, text, fontsize=size, **settings)


def _write_line(axes: Axes, x: float, y: float, text: str, size: float, **style: Any) -> None:
    """One line whose capitals and digits are centred on y, whatever hangs below the baseline."""
    _write(axes, x, y + 0.36 * size / 72, text, size, va="baseline", **style)


def _draw_box(
    axes: Axes, place: tuple[float, float, float, float], fill: str, edge: str, rounding: float = 0.06, **style: Any
) -> None:
    left, top, width, height = place
    shape = f"round,pad=0,rounding_size={rounding}"
    axes.add_patch(FancyBboxPatch((left, top), width, height, shape, facecolor=fill, edgecolor=edge, **style))


def _draw_badge(axes: Axes, x: float, y: float, number: str, colour: str) -> None:
    _draw_box(axes, (x - 0.16, y - 0.11, 0.32, 0.22), colour, colour)
    _write_line(axes, x, y, number, TEXT, color="white", weight="bold", ha="center")


def _draw_stage(axes: Axes, stage: Stage, top: float) -> None:
    _draw_box(axes, (LEFT, top, RIGHT - LEFT, STAGE), STAGE_FILL, STRONG, linewidth=1.0)
    _draw_badge(axes, LEFT + 0.28, top + 0.22, stage.number, STRONG)
    _write_line(axes, LEFT + 0.54, top + 0.22, stage.name, HEADING, weight="bold")
    _write(axes, LEFT + 0.13, top + 0.57, stage.job, TEXT)


def _middle(place: int) -> float:
    return LEFT + FILE_WIDTH / 2 + place * (RIGHT - LEFT - FILE_WIDTH)


def _draw_file(axes: Axes, place: int, top: float, name: str, note: str, *, passed_on: bool = False) -> None:
    left = _middle(place) - FILE_WIDTH / 2
    style: dict[str, Any] = {"linestyle": (0, (3, 2))} if passed_on else {}
    _draw_box(axes, (left, top, FILE_WIDTH, FILE), PAPER if passed_on else FILE_FILL, LINE, linewidth=0.8, **style)
    _write_line(axes, left + 0.1, top + FILE / 2, name, SMALL, family="monospace")
    _write_line(axes, left + FILE_WIDTH - 0.1, top + FILE / 2, note, SMALL, color=MUTED, ha="right")


def _draw_files(axes: Axes, stage: Stage, top: float) -> None:
    """What a stage leaves, an arrow from the stage and one to the next."""
    for place, (name, note) in enumerate(stage.files):
        passed_on, packed = (stage.number, place) in PASSED_ON, (stage.number, place) == PACKED
        _draw_file(axes, place, top, name, note, passed_on=passed_on)
        if not passed_on:
            _draw_step(axes, place, top - GAP)
        if stage is not STAGES[-1] and not packed:
            _draw_step(axes, place, top + FILE)


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    draw_arrow(axes, start, end, arrowstyle="-|>,head_width=0.16,head_length=0.28", color=MUTED)


def _draw_step(axes: Axes, place: int, top: float) -> None:
    """The arrow down across a gap."""
    _draw_arrow(axes, (_middle(place), top), (_middle(place), top + GAP))


def _draw_way(axes: Axes, way: Way, x: float, tops: dict[str, float]) -> None:
    """A line past all stages that a program runs, with a dot at each."""
    _draw_badge(axes, x, 0.5, way.number, way.colour)
    from_embeddings = way.stages[0] == "14"
    start = tops["13"] + STAGE + GAP + FILE / 2 if from_embeddings else TOP + FILE / 2
    axes.plot([x, x], [0.6, tops["15"] + STAGE / 2], color=way.colour, linewidth=1.0, alpha=0.25)
    axes.plot([x, x], [start, tops["15"] + STAGE / 2], color=way.colour, linewidth=2.2, solid_capstyle="round")
    if from_embeddings:
        axes.plot([RIGHT, x], [start, start], color=way.colour, linewidth=2.2, solid_capstyle="round", zorder=0.5)
    for number in way.stages:
        axes.add_patch(Circle((x, tops[number] + STAGE / 2), 0.075, facecolor=way.colour, edgecolor=PAPER, zorder=3))


def _draw_legend(axes: Axes, way: Way, x: float, y: float) -> None:
    _draw_badge(axes, x + 0.16, y, way.number, way.colour)
    _write_line(axes, x + 0.42, y, way.meaning, TEXT)


# ---- the small pictures in the stages ------------------------------------------------------------------------------


def _draw_row(
    figure: Figure, axes: Axes, top: float, images: list[np.ndarray], captions: tuple[str, ...], right: float
) -> list[Axes]:
    """Images side by side with their captions, the last one ending at `right`."""
    widths = [PICTURE * image.shape[1] / image.shape[0] for image in images]
    left = right - sum(widths) - 0.1 * (len(images) - 1)
    shown = []
    for image, width, caption in zip(images, widths, captions, strict=True):
        shown.append(add_image(figure, (left, top, width, PICTURE), image))
        _caption(axes, left + width / 2, top, caption)
        left += width + 0.1
    return shown


def _caption(axes: Axes, x: float, top: float, caption: str) -> None:
    _write(axes, x, top + PICTURE + 0.13, caption, SMALL, color=MUTED, ha="center", va="baseline")


def _draw_windows(figure: Figure, axes: Axes, example: Example, top: float) -> None:
    tiles, box, _ = preparation_steps(example)
    heads = [cut_head(example, tile, 0.0) for tile in tiles[1:4]]
    captions = ("brain", "subdural", "soft tissue", "box")
    shown = _draw_row(figure, axes, top, [*heads, tiles[4]], captions, RIGHT - 0.15)
    draw_crop_box(shown[-1], box)


def _draw_network(figure: Figure, axes: Axes, example: Example, top: float) -> None:
    """The crop, feature maps that shrink, six outputs."""
    _draw_row(figure, axes, top, [preparation_steps(example)[0][5]], ("crop",), RIGHT - 2.10)
    middle = top + PICTURE / 2
    for i, (height, width) in enumerate(((0.56, 0.06), (0.42, 0.09), (0.28, 0.13), (0.15, 0.18))):
        left = RIGHT - 1.92 + 0.24 * i
        place = (left, middle - height / 2, width, height)
        _draw_box(axes, place, BLOCK_FILL, STRONG, rounding=0, linewidth=0.8)
    _caption(axes, RIGHT - 1.48, top, "ResNeXt101")
    _draw_arrow(axes, (RIGHT - 0.96, middle), (RIGHT - 0.64, middle))
    for i in range(6):
        axes.add_patch(Circle((RIGHT - 0.5, middle + 0.1 * (i - 2.5)), 0.036, facecolor=STRONG))
    _caption(axes, RIGHT - 0.5, top, "six classes")


def _draw_views(figure: Figure, axes: Axes, example: Example, top: float) -> None:
    crop = preparation_steps(example)[0][5]
    views = [crop, crop[:, ::-1], crop.transpose(1, 0, 2)]
    _draw_row(figure, axes, top, views, ("identity", "hflip", "transpose"), RIGHT - 0.72)
    for i in range(10):
        tint = 0.25 + 0.5 * np.cos(1.7 * i * i) ** 2  # stands for numbers
        axes.add_patch(Rectangle((RIGHT - 0.47, top + PICTURE * i / 10), 0.14, PICTURE / 10,
                                 facecolor=STRONG, alpha=tint, linewidth=0))  # fmt: skip
    _caption(axes, RIGHT - 0.4, top, "$e_t$")


def _draw_series(figure: Figure, axes: Axes, example: Example, top: float) -> None:
    """The slices of a series, then padding; below them the mask."""
    height, gap, slices, padding = 0.44, 0.05, 5, 2
    width = height * HEAD_MM[1] / HEAD_MM[0]
    left = RIGHT - 0.15 - (slices + padding) * (width + gap) + gap
    for i in range(slices + padding):
        x = left + i * (width + gap)
        place = (x, top + PICTURE - height, width, height)
        if i < slices:
            hu = example.study.hu[example.first + i]
            add_image(figure, place, apply_window(cut_head(example, hu, AIR), BRAIN))
        else:
            _draw_box(axes, place, PAPER, LINE, rounding=0, hatch="////", linewidth=0.8)
        _caption(axes, x + width / 2, top, str(int(i < slices)))
    _caption(axes, left - 0.24, top, "mask")
    right = left + slices * (width + gap) - gap
    draw_arrow(axes, (left, top + 0.06), (right, top + 0.06), arrowstyle="<|-|>", color=STRONG)


def _draw_mean(figure: Figure, axes: Axes, example: Example, top: float) -> None:
    """The tables of several runs, and their mean."""
    height = PICTURE - 0.06
    for from_right, caption in ((2.9, "run 1"), (2.3, "run 2"), (1.4, "run n"), (0.42, "mean")):
        colour, middle = STRONG if caption == "mean" else LINE, RIGHT - from_right
        _draw_box(axes, (middle - 0.2, top + 0.04, 0.4, height), PAPER, colour, rounding=0, linewidth=1.0)
        for line in range(1, 6):
            y = top + 0.04 + line * height / 6
            axes.plot([middle - 0.15, middle + 0.15], [y, y], color=colour, linewidth=1.0)
        _caption(axes, middle, top, caption)
    _write(axes, RIGHT - 1.85, top + PICTURE / 2, "…", HEADING, ha="center")
    _draw_arrow(axes, (RIGHT - 1.1, top + PICTURE / 2), (RIGHT - 0.72, top + PICTURE / 2))


_PICTURES = {
    "01": _draw_windows,
    "12": _draw_network,
    "13": _draw_views,
    "14": _draw_series,
    "15": _draw_mean,
}
