"""Every control and figure of the page with its one-line explanation, said where it stands and in one list below."""

from __future__ import annotations

from typing import NamedTuple


class Control(NamedTuple):
    """What a control or a figure is called in the list, and what it does."""

    name: str
    meaning: str


CONTROLS = {
    "slice": Control("slice", "Which slice is shown; also the wheel over the picture, and the keys listed above"),
    "stage": Control(
        "picture", "The slice. Drag with the mouse: left and right change the window's width, up and down its level"
    ),
    "presets": Control(
        "window buttons", "Usual windows; a window maps its range of values to the greys from black to white"
    ),
    "level": Control("level", "The value that is shown as middle grey"),
    "width": Control("width", "How many values lie between black and white"),
    "probe": Control(
        "value",
        "The stored value of the pixel below the pointer, or below the cross that Shift and the arrow keys move",
    ),
    "scale": Control("scale bar", "A bar of the length that it names, as measured in the patient"),
    "letters": Control(
        "letters", "Where the patient's right (R), left (L), front (A), back (P), head (H) and feet (F) lie"
    ),
    "calibrated": Control(
        "calibrated", "Show probabilities as the models give them, or calibrated on out-of-fold predictions"
    ),
    "strip": Control(
        "along the series",
        "Every class at every slice, a row per model: the higher the bar, the more probable. Click to go there",
    ),
    "truth": Control(
        "truth", "Filled where the labels say present, a hollow mark where absent, a dot where they say nothing"
    ),
    "flags": Control("flags", "A triangle marks a slice whose file was odd; the words stand below the picture"),
    "numbers": Control("table of the slice", "The probabilities of the slice that is shown"),
    "heat": Control("heat map", "What the network looked at for a class: the brighter, the more it counted"),
    "opacity": Control("opacity", "How much of the slice the heat map covers"),
    "contours": Control("outlines", "What the models mark, or the labels"),
    "boxes": Control("boxes", "The rectangle that the models found or were shown, or that of the labels"),
    "side": Control(
        "view from the side", "The same series cut from head to feet, front at the left. Click to go to a slice"
    ),
    "column": Control("cut at", "Where the patient is cut, from the picture's left edge to its right"),
    "curves": Control("curves", "How much of each part a slice shows, by slice"),
}
ALONG = ("slice", "strip", "truth", "flags", "side", "column", "curves")  # where a series has more than one picture
# Keys, while the picture or a control beside it has the focus.
KEYS_ALONG = (
    ("← ↑", "previous slice"),
    ("→ ↓", "next slice"),
    ("Page Up, Page Down", "five slices back, five on"),
    ("Home, End", "first slice, last slice"),
    ("s", "view from the side on or off"),
)
KEYS = (
    ("1, 2, 3 …", "the windows, in the order of their buttons"),
    ("- +", "window narrower, wider"),
    (", .", "level lower, higher"),
    ("Shift and arrows", "move the cross that reads the value of a pixel"),
    ("c", "raw or calibrated probabilities"),
    ("h", "next heat map, then none"),
    ("o", "outlines and boxes on or off"),
    ("?", "this list"),
    ("Tab", "to the next control"),
)


def controls_of(picture: str) -> dict[str, Control]:
    """The controls in the words of a page whose pictures are called so: slice, or film."""
    return {key: Control(*(text.replace("slice", picture) for text in one)) for key, one in CONTROLS.items()}
