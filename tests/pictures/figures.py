"""Pictures of what the preparation does and of the planted bleeds, from phantom slices that went through the real code.

Every picture is WIDTH inches wide and has no text smaller than SMALL, which reads at the 900 pixels of a README.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from hounsfield.competitions.rsna2019.head_phantom.dicom_files import dicom_bytes
from hounsfield.competitions.rsna2019.head_phantom.plans import PatientPlan, SeriesPlan, plan_patient
from hounsfield.competitions.rsna2019.head_phantom.studies import Study, draw_series
from hounsfield.competitions.rsna2019.preparation import IMAGE_WINDOWS, window_image
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.imaging.boxes import Box, crop_to_square, resize
from hounsfield.core.imaging.windows import BRAIN, SUBDURAL, Window, apply_window
from hounsfield.core.storage.files import atomic_write
from hounsfield.hemorrhage.config import ClassifierConfig

WIDTH = 9.0  # inches
FINE, COARSE = 200, 150  # pixels an inch; coarse where so much is noise that the file would grow too large
PAPER, INK, MUTED, LINE = "#ffffff", "#1f2a33", "#5c6873", "#aab4bd"
ACCENT = "#ffa500"  # the crop box and arrowheads, on grey images
HEADING, TEXT, SMALL = 9.5, 8.5, 7.5  # points
AIR = -1000.0  # HU

SEED, SLICES = 2019, 28  # slices of a series
FULL_RANGE = Window(center=0, width=2000)
HEAD_MM = (206.0, 172.0)  # height and width of what is shown of a head

# The patients whose bleed shows best what its name means, and the sign by which it is known.
BLEEDS: tuple[tuple[str, int, str], ...] = (
    ("epidural", 10, "biconvex lens"),
    ("subdural", 5, "crescent along the convexity"),
    ("subarachnoid", 11, "basal cisterns and fissures"),
    ("intraventricular", 2, "levels in the occipital horns"),
    ("intraparenchymal", 3, "putamen, rim of oedema"),
)


@dataclass(frozen=True)
class Example:
    """A phantom patient's first series, with one bleed."""

    plan: PatientPlan
    series: SeriesPlan
    study: Study

    @property
    def fullest(self) -> int:
        """The slice with most blood at full contrast."""
        area = self.study.masks[self.plan.bleeds[0].kind].sum(axis=(1, 2))
        return int(np.argmax(area * (self.study.contrast[:, 0] == 1)))

    @property
    def first(self) -> int:
        """The lowest labelled slice, where the bleed is faintest."""
        return int(np.argmax(self.study.contrast[:, 0] > 0))

    def read(self, index: int, *, repair_intercept: bool = True) -> DicomSlice:
        """One slice, written as DICOM and read as the preparation reads it."""
        data = dicom_bytes(self.plan, self.series, index, self.study.hu[index])
        return read_slice(data, repair_intercept=repair_intercept)


def make_example(kind: str, patient: int, size: int) -> Example:
    """Draw a patient with a bleed of one kind. size: rows and columns of a slice."""
    plan = plan_patient(SEED, patient, (SLICES, SLICES), size, (kind,))
    return Example(plan, plan.series[0], draw_series(plan, plan.series[0], with_mimics=False))


def new_figure(height: float, dpi: int) -> Figure:
    """An empty picture, WIDTH x height inches."""
    return Figure(figsize=(WIDTH, height), dpi=dpi, facecolor=PAPER)


def add_image(figure: Figure, place: tuple[float, float, float, float], image: np.ndarray) -> Axes:
    """Show an image on axes of its own. place: left, top, width, height in inches from the top-left corner.

    image: (rows, columns) of 0..1, or (rows, columns, 3) uint8, red first.
    """
    left, top, width, height = place
    full_width, full_height = figure.get_size_inches()
    box = (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    axes = figure.add_axes(box)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="hanning")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color=LINE, linewidth=0.5)  # a picture that is white at its rim has an edge too
    return axes


def add_text(figure: Figure, left: float, top: float, text: str, size: float = TEXT, **style: Any) -> None:
    """Write text on a baseline, in inches from the top-left corner; centred unless `style` says otherwise."""
    width, height = figure.get_size_inches()
    settings = {"ha": "center", "va": "baseline", "color": INK, "linespacing": 1.3, **style}
    figure.text(left / width, 1 - top / height, text, fontsize=size, **settings)


def draw_arrow(axes: Axes, start: Sequence[float], end: Sequence[float], **style: Any) -> None:
    """An arrow in the axes' own coordinates, from (x, y) to (x, y)."""
    arrow = {"arrowstyle": "-|>", "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0, **style}
    axes.annotate("", (end[0], end[1]), (start[0], start[1]), arrowprops=arrow)


def save_picture(figure: Figure, path: Path, greys: int = 96) -> None:
    """Write a figure as PNG with a palette, whole or not at all; the same figure gives the same bytes.

    greys: levels that grey pixels are rounded to; fewer make a smaller file. The rest of the palette is for the others.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_with_palette(np.asarray(canvas.buffer_rgba())[:, :, :3], path, greys)


def save_with_palette(pixels: np.ndarray, path: Path, greys: int, exact: int = 0) -> None:
    """Write a picture as `save_picture` does. pixels: (rows, columns, 3) uint8.

    exact: so many colours stay as they are, the most frequent ones: of a page, those of texts, controls and classes.
    """
    index = np.rint(pixels[:, :, 0] * ((greys - 1) / 255)).astype(np.uint8)
    palette = np.repeat(np.rint(np.linspace(0, 255, greys)), 3).astype(np.uint8).tobytes()
    coloured = pixels.max(axis=2) > pixels.min(axis=2)
    if coloured.any():
        row = Image.fromarray(pixels[coloured][None])
        others = row.quantize(256 - greys - exact, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        index[coloured] = np.asarray(others)[0] + greys
        palette = (palette + bytes(others.getpalette() or ())).ljust(3 * (256 - exact), b"\0")
        colours, counts = np.unique(pixels[coloured], axis=0, return_counts=True)
        for number, colour in enumerate(colours[np.argsort(-counts, kind="stable")[:exact]], 256 - exact):
            index[(pixels == colour).all(axis=2)] = number
            palette += colour.tobytes()
    picture = Image.fromarray(index)
    picture.putpalette(palette)
    with atomic_write(path) as partial:
        picture.save(partial, format="PNG", optimize=True)


# ---- preparation ---------------------------------------------------------------------------------------------------


def draw_preparation(size: int = 512) -> Figure:
    """From Hounsfield units to the classifier's input: a plain series, and one with a wrong intercept."""
    rows = (
        (make_example("subdural", 10, size), "plain series",
         ("blood bright, CSF dark", "blood apart from bone", "skin and fat in view", "box: all that is not black",
          "on a black square")),
        (make_example("epidural", 3, size), "wrong intercept",
         ("", "after the repair of intercept and wrapped values", "", "a head rest counts too",
          "so the head is smaller")),
    )  # fmt: skip
    names = ("brain", "subdural", "soft tissue")
    headings = (
        ("values of the file", "−1000 to 1000 HU"),
        *((name, _numbers(window)) for name, window in zip(names, IMAGE_WINDOWS, strict=True)),
        ("three channels", "as red, green and blue"),
        ("crop", f"network input, {ClassifierConfig().size} px"),
    )
    left, gap, top, below = 0.34, 0.06, 0.48, 0.28
    side = (WIDTH - left - 0.1 - 5 * gap) / 6
    figure = new_figure(top + 2 * (side + below), FINE)
    for column, heading in enumerate(headings):
        _head_column(figure, left + column * (side + gap) + side / 2, *heading)
    for row, (example, name, facts) in enumerate(rows):
        y = top + row * (side + below)
        add_text(figure, 0.2, y + side / 2, name, TEXT, rotation=90, va="center", weight="bold")
        tiles, box, air = preparation_steps(example)
        captions = (f"air reads {air} HU".replace("-", "−"), *facts)
        for column, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
            x = left + column * (side + gap)
            axes = add_image(figure, (x, y, side, side), tile)
            if column == 4:
                draw_crop_box(axes, box)
            add_text(figure, x + side / 2, y + side + 0.14, caption, SMALL, color=MUTED)
    return figure


def preparation_steps(example: Example) -> tuple[list[np.ndarray], Box, int]:
    """Six images of one slice, in the order of the columns, the crop box in the fifth, and HU of air in the file."""
    index = example.fullest
    file = example.read(index, repair_intercept=False)
    hu = file.stored * file.slope + file.intercept
    rows, columns = hu.shape
    air = round(float(np.median(hu[: rows // 16, columns // 3 : -columns // 3])))  # above the head
    image, facts = window_image(example.read(index))
    image = image[:, :, :3]
    box = Box(*(int(facts[name]) for name in Box._fields))
    crop = resize(crop_to_square(image, box), ClassifierConfig().size)
    channels = [image[:, :, channel] / 255 for channel in range(3)]
    return [apply_window(hu, FULL_RANGE), *channels, image, crop], box, air


def draw_crop_box(axes: Axes, box: Box) -> None:
    """Outline the crop box on an image."""
    corner = (box.x0 - 0.5, box.y0 - 0.5)
    axes.add_patch(Rectangle(corner, box.x1 - box.x0, box.y1 - box.y0, fill=False, edgecolor=ACCENT, linewidth=1.2))


def _numbers(window: Window) -> str:
    return f"centre {window.center:g}, width {window.width:g}"


def _head_column(figure: Figure, middle: float, name: str, detail: str) -> None:
    add_text(figure, middle, 0.21, name, HEADING, weight="bold")
    add_text(figure, middle, 0.39, detail, SMALL, color=MUTED)


# ---- bleeds --------------------------------------------------------------------------------------------------------


def draw_bleeds(size: int = 512) -> Figure:
    """Each kind of bleed in the brain and the subdural window, and the first slice in which it is labelled."""
    left, gap, top = 0.52, 0.06, 0.48
    width = (WIDTH - left - 0.1 - 4 * gap) / 5
    height = width * HEAD_MM[0] / HEAD_MM[1]
    figure = new_figure(top + 3 * height + 2 * gap + 0.26, COARSE)
    rows = (("brain window", BRAIN), ("subdural window", SUBDURAL), ("first labelled slice", BRAIN))
    for row, (name, window) in enumerate(rows):
        middle = top + row * (height + gap) + height / 2
        add_text(figure, 0.16, middle, name, TEXT, rotation=90, va="center", weight="bold")
        add_text(figure, 0.36, middle, _numbers(window), SMALL, rotation=90, va="center", color=MUTED)
    for column, (kind, patient, sign) in enumerate(BLEEDS):
        x = left + column * (width + gap)
        _head_column(figure, x + width / 2, kind, sign)
        example = make_example(kind, patient, size)
        for row, index in enumerate((example.fullest, example.fullest, example.first)):
            head = apply_window(cut_head(example, example.study.hu[index], AIR), rows[row][1])
            axes = add_image(figure, (x, top + row * (height + gap), width, height), head)
            if column == 0:
                axes.text(0.03, 0.5, "R", transform=axes.transAxes, color="white", fontsize=SMALL, va="center")
        _point_at(axes, cut_head(example, example.study.masks[kind][example.first], False))
        contrast = f"{example.study.contrast[example.first, 0]:.0%} of its full contrast"
        add_text(figure, x + width / 2, top + 3 * height + 2 * gap + 0.15, contrast, SMALL, color=MUTED)
    return figure


def cut_head(example: Example, image: np.ndarray, air: float) -> np.ndarray:
    """HEAD_MM of an image around the middle of the skull, the same part in all slices of a series."""
    pixel = example.series.pixel * 512 / example.plan.size
    inside = np.any(example.study.cavity, axis=0)
    cut = []
    for axis, extent in enumerate(HEAD_MM):
        at = np.flatnonzero(inside.any(axis=1 - axis))
        cut.append((int(at[0] + at[-1] + 1) // 2, round(extent / pixel / 2)))
    (row, half_rows), (column, half_columns) = cut
    padded = np.pad(image, ((half_rows, half_rows), (half_columns, half_columns)), constant_values=air)
    return padded[row : row + 2 * half_rows, column : column + 2 * half_columns]


def _point_at(axes: Axes, mask: np.ndarray) -> None:
    """An arrowhead that comes from the middle of the head and ends at the largest part of a bleed."""
    count, _, facts, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return
    largest = 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA]))
    centre = np.array([mask.shape[1] / 2, mask.shape[0] / 2])
    away = middles[largest] - centre
    away /= max(float(np.hypot(*away)), 1.0)
    tip = _edge(mask, middles[largest], -away) - away * 0.02 * mask.shape[1]
    tail = tip - away * 0.11 * mask.shape[1]
    draw_arrow(axes, tail.tolist(), tip.tolist(), color=ACCENT)


def _edge(mask: np.ndarray, point: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The first point outside a mask on the way from `point`, both as (column, row)."""
    while True:
        column, row = np.rint(point).astype(int).tolist()
        if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]):
            return point
        point = point + step
