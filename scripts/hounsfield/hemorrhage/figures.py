"""Pictures of what the preparation does and of the planted bleeds, from phantom slices that went through the real code.

Every picture is WIDTH inches wide; at DPI it has 1.5 times the pixels of the 900 that a README shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from hounsfield.competitions.rsna2019.phantom.dicom_files import dicom_bytes
from hounsfield.competitions.rsna2019.phantom.plans import PatientPlan, SeriesPlan, plan_patient
from hounsfield.competitions.rsna2019.phantom.studies import Study, draw_series
from hounsfield.core.dicom import DicomSlice, read_slice
from hounsfield.core.files import written_whole
from hounsfield.core.images import Box, crop_to_square, resize
from hounsfield.core.windows import BRAIN, SUBDURAL, Window, apply_window
from hounsfield.hemorrhage.config import ClassifierConfig
from hounsfield.hemorrhage.preparation import WINDOWS, window_image

WIDTH = 9.0  # inches
DPI = 150
COLOURS = 128  # of a picture file: grey images keep their noise, and the file stays small
PAPER, INK, MUTED, LINE = "#fbfbf9", "#1f2a33", "#5c6873", "#aab4bd"
ACCENT = "#e69f00"  # the crop box and arrowheads, on grey images
HEADING, TEXT, SMALL = 9.5, 8.5, 7.5  # points

SEED, SLICES = 2019, 28  # slices of a series
FULL_RANGE = Window(center=0, width=2000)
HEAD_MM = (202.0, 164.0)  # height and width of what is shown of a head

# The patients whose bleed shows best what its name means, and the sign by which it is known.
BLEEDS: tuple[tuple[str, int, str], ...] = (
    ("epidural", 10, "biconvex lens"),
    ("subdural", 5, "crescent along the convexity"),
    ("subarachnoid", 11, "basal cisterns and fissures"),
    ("intraventricular", 2, "levels in the occipital horns"),
    ("intraparenchymal", 3, "putamen, dark rim of oedema"),
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


def hounsfield_units(slice_: DicomSlice) -> np.ndarray:
    """(rows, columns) float64."""
    return slice_.stored * slice_.slope + slice_.intercept


def new_figure(height: float) -> Figure:
    """An empty picture, WIDTH x height inches."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def add_image(figure: Figure, place: tuple[float, float, float, float], image: np.ndarray) -> Axes:
    """Show an image on its own axes. place: left, top, width, height in inches from the top-left corner.

    image: (rows, columns) of 0..1, or (rows, columns, 3) uint8, red first.
    """
    left, top, width, height = place
    full_width, full_height = figure.get_size_inches()
    box = (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    axes = figure.add_axes(box)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="hanning")
    axes.set_axis_off()
    return axes


def add_text(figure: Figure, left: float, top: float, text: str, size: float = TEXT, **style: object) -> None:
    """Write text at a point in inches from the top-left corner; centred on it unless `style` says otherwise."""
    width, height = figure.get_size_inches()
    settings = {"ha": "center", "va": "center", "color": INK, "linespacing": 1.3, **style}
    figure.text(left / width, 1 - top / height, text, fontsize=size, **settings)  # type: ignore[arg-type]


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure as PNG with a palette, whole or not at all; the same figure gives the same bytes."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    picture = Image.fromarray(np.ascontiguousarray(pixels)).quantize(COLOURS, dither=Image.Dither.NONE)
    with written_whole(path) as partial:
        picture.save(partial, format="PNG", optimize=True)


# ---- preparation ---------------------------------------------------------------------------------------------------


def draw_preparation(size: int = 512) -> Figure:
    """From Hounsfield units to the classifier's input: a plain series, and one whose header states a wrong intercept."""
    rows = (
        (make_example("intraventricular", 10, size), "plain series", "air reads −1000 HU"),
        (make_example("epidural", 3, size), "wrong intercept", "unrepaired: air reads 3096 HU"),
    )
    headings = (
        ("values of the file", "−1000 to 1000 HU"),
        *(_window_heading(name, window) for name, window in zip(("brain", "subdural", "soft tissue"), WINDOWS)),
        ("three channels", "with the crop box"),
        ("crop", f"input, {ClassifierConfig().size} × {ClassifierConfig().size}"),
    )
    left, gap, top = 0.34, 0.06, 0.50
    side = (WIDTH - left - 0.12 - 5 * gap) / 6
    figure = new_figure(top + 2 * (side + 0.26) + 0.02)
    for column, (name, detail) in enumerate(headings):
        middle = left + column * (side + gap) + side / 2
        add_text(figure, middle, 0.17, name, HEADING, weight="bold")
        add_text(figure, middle, 0.36, detail, SMALL, color=MUTED)
    for row, (example, name, fact) in enumerate(rows):
        y = top + row * (side + 0.26)
        add_text(figure, 0.18, y + side / 2, name, TEXT, rotation=90)
        tiles, box = preparation_steps(example)
        for column, tile in enumerate(tiles):
            axes = add_image(figure, (left + column * (side + gap), y, side, side), tile)
            if column == 4:
                _draw_box(axes, box)
        add_text(figure, left, y + side + 0.11, fact, SMALL, color=MUTED, ha="left")
    return figure


def preparation_steps(example: Example) -> tuple[list[np.ndarray], Box]:
    """Six images of one slice, in the order of the columns, and the crop box in the fifth."""
    index = example.fullest
    raw = hounsfield_units(example.read(index, repair_intercept=False))
    image, facts = window_image(example.read(index))
    box = Box(*(int(facts[name]) for name in Box._fields))
    crop = resize(crop_to_square(image, box), ClassifierConfig().size)
    return [apply_window(raw, FULL_RANGE), *(image[:, :, c] / 255 for c in range(3)), image, crop], box


def _window_heading(name: str, window: Window) -> tuple[str, str]:
    return name, f"centre {window.center:g}, width {window.width:g}"


def _draw_box(axes: Axes, box: Box) -> None:
    corner = (box.x0 - 0.5, box.y0 - 0.5)
    axes.add_patch(Rectangle(corner, box.x1 - box.x0, box.y1 - box.y0, fill=False, edgecolor=ACCENT, linewidth=1.2))


# ---- bleeds --------------------------------------------------------------------------------------------------------


def draw_bleeds(size: int = 512) -> Figure:
    """Each kind of bleed in the brain and the subdural window, and the first slice in which it is labelled."""
    left, gap, top = 0.52, 0.06, 0.50
    width = (WIDTH - left - 0.12 - 4 * gap) / 5
    height = width * HEAD_MM[0] / HEAD_MM[1]
    figure = new_figure(top + 3 * (height + gap) + 0.06)
    for column, (kind, patient, sign) in enumerate(BLEEDS):
        x = left + column * (width + gap)
        add_text(figure, x + width / 2, 0.17, kind, HEADING, weight="bold")
        add_text(figure, x + width / 2, 0.36, sign, SMALL, color=MUTED)
        example = make_example(kind, patient, size)
        shown = ((example.fullest, BRAIN), (example.fullest, SUBDURAL), (example.first, BRAIN))
        for row, (index, window) in enumerate(shown):
            head = apply_window(cut_head(example, example.study.hu[index], air=-1000.0), window)
            axes = add_image(figure, (x, top + row * (height + gap), width, height), head)
            if column == 0:
                axes.text(0.03, 0.5, "R", transform=axes.transAxes, color="white", fontsize=SMALL, va="center")
        share = example.study.contrast[example.first, 0]
        axes.text(0.5, 0.02, f"{share:.0%} of its contrast", transform=axes.transAxes, color="white", fontsize=SMALL,
                  ha="center", va="bottom")  # fmt: skip
        _point_at(axes, cut_head(example, example.study.masks[kind][example.first], air=False))
    labels = (
        ("brain window", BRAIN),
        ("subdural window", SUBDURAL),
        ("first labelled slice", BRAIN),
    )
    for row, (name, window) in enumerate(labels):
        middle = top + row * (height + gap) + height / 2
        add_text(figure, 0.15, middle, name, TEXT, rotation=90, weight="bold")
        add_text(figure, 0.35, middle, _window_heading(name, window)[1], SMALL, rotation=90, color=MUTED)
    return figure


def cut_head(example: Example, image: np.ndarray, air: float) -> np.ndarray:
    """HEAD_MM of an image around the middle of the skull, the same part in all slices of a series."""
    pixel = example.series.pixel * 512 / example.plan.size
    inside = example.study.cavity.any(axis=0)
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
    axes.annotate("", tuple(tip), tuple(tip - away * 0.11 * mask.shape[1]),
                  arrowprops={"arrowstyle": "-|>", "color": ACCENT, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def _edge(mask: np.ndarray, point: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The first point outside a mask on the way from `point`, both as (column, row)."""
    while True:
        column, row = np.rint(point).astype(int).tolist()
        if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]):
            return point
        point = point + step


def draw_all(names: Sequence[str]) -> None:
    """Placeholder."""
