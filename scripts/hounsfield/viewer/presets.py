"""The windows that a page offers, and with them the range of values that it must hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hounsfield.core.imaging.series_view import HOUNSFIELD
from hounsfield.core.imaging.windows import BONE, BRAIN, LUNG, SOFT_TISSUE, SUBDURAL, Window


@dataclass(frozen=True)
class Preset:
    """A window with its name and what it is for."""

    name: str
    window: Window
    meaning: str


CT = (
    Preset("brain", BRAIN, "tells grey from white matter and shows fresh blood"),
    Preset("subdural", SUBDURAL, "tells blood along the skull from the skull"),
    Preset("soft tissue", SOFT_TISSUE, "muscles, organs and vessels"),
    Preset("bone", BONE, "the structure of bone, and fractures"),
    Preset("lung", LUNG, "air and what lies in it"),
)
FILM = (Preset("full range", Window(center=127.5, width=255), "every grey of the film"),)
FIRST = {"spine": "bone"}  # by system, where it is not the first of the list


def presets(unit: str, system: str) -> list[Preset]:
    """The windows for values of a unit, the one to open with first."""
    offered = CT if unit == HOUNSFIELD else FILM
    return sorted(offered, key=lambda preset: preset.name != FIRST.get(system, offered[0].name))


def value_range(offered: Sequence[Preset]) -> tuple[int, int]:
    """The lowest and the highest value that any of the windows tells from its neighbours: the union of their ranges."""
    windows = [preset.window for preset in offered]
    return math.floor(min(one.lower for one in windows)), math.ceil(max(one.upper for one in windows))
