"""What models were trained on, in a few numbers, and what lies outside of it.

The facts travel with the run, so that an answer says what it rests on wherever the training set is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hounsfield.core.stages.upstream import Upstream

MARGIN = 0.25  # of the width of the training range, allowed on either side of it
BY_PHANTOMS = "answered by a model of phantoms, drawn images: no finding"


def facts_of(record: Mapping[str, Any] | None, data: Upstream) -> dict[str, Any] | None:
    """What a model's training has noted, or, where that has noted nothing, what is known of its data set."""
    noted: dict[str, Any] | None = None if record is None else record["facts"].get("trained_on")
    if noted is None and data.record["facts"].get("drawn"):
        return {"data_set": data.folder.name, "drawn": True}
    return noted


def in_words(facts: Mapping[str, Any] | None, data_set: str) -> str:
    """What the models were trained on, for people. facts: as a training notes them; None where it has none."""
    if facts is None:
        return f"{data_set} (what is in it is not on record)"
    return f"{facts['data_set']} (PHANTOMS: drawn images, no patient)" if facts["drawn"] else str(facts["data_set"])


def ranges_of(studies: pd.DataFrame) -> dict[str, list[float]]:
    """The least and the greatest known value of each column."""
    known = {str(name): studies[name].dropna() for name in studies}
    return {name: [float(values.min()), float(values.max())] for name, values in known.items() if len(values)}


def out_of_range(
    study: Mapping[Any, Any], ranges: Mapping[str, tuple[float, float]], words: Mapping[str, str]
) -> list[str]:
    """In which values a study lies outside of `ranges`, as `ranges_of` gives them, each in `words` for its column.

    A value that is not known lies nowhere.
    """
    found = []
    for name, (low, high) in ranges.items():
        margin = MARGIN * (high - low)
        if study[name] < low - margin or study[name] > high + margin:
            found.append(f"{words[name]} {_read(study[name])}, trained on {_read(low)} to {_read(high)}")
    return found


def _read(value: float) -> str:
    """A number as a person reads it: whole from a hundred on."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
