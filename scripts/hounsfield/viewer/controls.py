"""Every control and figure of the page with its one-line explanation, said where it stands and in one list below."""

from __future__ import annotations

CONTROLS = {
    "slice": "Which slice is shown; also the wheel over the picture, and the keys listed below",
    "stage": "The slice. Drag with the mouse: left and right change the window's width, up and down its level",
    "presets": "Usual windows; a window maps its range of values to the greys from black to white",
    "level": "The value that is shown as middle grey",
    "width": "How many values lie between black and white",
    "probe": "The stored value of the pixel below the pointer, or below the cross that Shift and the arrow keys move",
    "scale": "A bar of the length that it names, as measured in the patient",
    "letters": "Where the patient's right, left, front (A), back (P), head (H) and feet (F) lie",
    "calibrated": "Show probabilities as the models give them, or calibrated on out-of-fold predictions",
    "strip": "Every class at every slice, a row per model: the higher the bar, the more probable. Click to go there",
    "truth": "Filled where the labels say present, a hollow mark where absent, a dot where they say nothing",
    "flags": "A triangle marks a slice whose file was odd; the words stand below the picture",
    "values": "The probabilities of the slice that is shown",
    "heat": "What the network looked at for a class: the brighter, the more it counted",
    "opacity": "How much of the slice the map covers",
    "contours": "Outlines of what the models mark",
    "boxes": "The rectangle that the models were shown, or found",
    "side": "The same series cut from head to feet, front at the left. Click to go to a slice",
    "column": "Where the patient is cut, from the picture's left edge to its right",
    "curves": "How much of each part a slice shows, by slice",
}
# Keys, while the picture or a control beside it has the focus.
KEYS = (
    ("← ↑", "previous slice"),
    ("→ ↓", "next slice"),
    ("Page Up, Page Down", "five slices back, five on"),
    ("Home, End", "first slice, last slice"),
    ("1, 2, 3 …", "the windows, in the order of their buttons"),
    ("- +", "window narrower, wider"),
    (", .", "level lower, higher"),
    ("Shift and arrows", "move the cross that reads the value of a pixel"),
    ("c", "raw or calibrated probabilities"),
    ("h", "next heat map, then none"),
    ("o", "outlines and boxes on or off"),
    ("s", "view from the side on or off"),
    ("?", "this list"),
    ("Tab", "to the next control"),
)
