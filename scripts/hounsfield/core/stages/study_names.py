"""Names for the outputs of what a person gives to be predicted: after the folder, and never over another one's."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import count
from pathlib import Path

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import check_name

LONGEST = 48  # characters
DIRECTORY = "DICOMDIR"
UNNAMED = "studies"  # where nothing of a name can name a folder


def name_after(paths: Sequence[Path]) -> str:
    """A name for what is given: that of the folder or file itself, wherever `..` leads; of several, the first's.

    A DICOMDIR is called the same on every disc: its folder's name stands for it.
    """
    places = sorted({path.resolve() for path in paths})
    first = places[0].parent if places[0].name.upper() == DIRECTORY and places[0].is_file() else places[0]
    text = first.name if first.is_dir() else first.stem
    name = re.sub(r"[^\w.-]+", "_", text).strip("._-")[:LONGEST]
    if len(places) > 1:
        name = f"{name or UNNAMED}_and_{len(places) - 1}_more"
    try:
        return check_name(name, "the name")
    except WrongUse:
        return UNNAMED


def free_name(name: str, reserved: Collection[str], is_free: Callable[[str], bool]) -> str:
    """The first of NAME, NAME_2, NAME_3 that is not reserved, and free or the same one's already."""
    numbered = (name if number == 1 else f"{name}_{number}" for number in count(1))
    return next(one for one in numbered if one.lower() not in reserved and is_free(one))
