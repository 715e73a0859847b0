"""What this system's networks were trained on, in a few numbers, and which studies lie outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.reason_codes import STUDY_FLAGS
from hounsfield.core.evaluation.domain import BY_PHANTOMS, out_of_range, ranges_of
from hounsfield.core.stages.upstream import Upstream

FALLBACK = "no neck was found: the box is the middle of each slice, and all slices were looked at"
DISORDER = "the vertebrae that were found do not stand in order, C1 nearest to the head: is it a whole neck?"
GRAVE = ("all_air", "order_guessed")  # flags of a study whose answer may mean nothing: warnings say them
WORDS = {
    "slices": "slices",
    "length_mm": "mm from first to last slice",
    "presence": "how sure the box is",
    "range_share": "share of slices that show the neck",
}


def training_facts(data: Upstream, studies: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, Any]:
    """What the networks are trained on: the data set, whether it is drawn, and ranges over its training studies.

    studies: those that are learnt from, STUDY_SCHEMA. boxes: BOX_SCHEMA, out-of-fold.
    """
    drawn = bool(data.record["facts"].get("drawn"))
    ranges = ranges_of(_by_study(studies, boxes)[list(WORDS)])
    return {"data_set": data.folder.name, "drawn": drawn, "ranges": ranges}


def outside(
    studies: pd.DataFrame, boxes: pd.DataFrame, peaks: pd.DataFrame, facts: Mapping[str, Any] | None
) -> dict[str, list[str]]:
    """By study, in what it lies outside of what was trained on. facts: as `training_facts`; None: not on record.

    A study without a neck, as a head is, says that none was found, or that its vertebrae stand in no order; and
    networks of phantoms are outside with every patient. peaks: (n, 7) rows of the volume from head to feet, by study.
    """
    disordered = peaks.index[np.flatnonzero((np.diff(peaks.to_numpy(), axis=1) < 0).any(axis=1))]
    found = {}
    for study, row in _by_study(studies, boxes).iterrows():
        reasons = [BY_PHANTOMS] if facts and facts["drawn"] else []
        reasons += [FALLBACK] if row["fallback"] else []
        reasons += [DISORDER] if study in disordered else []
        reasons += [STUDY_FLAGS[flag].removesuffix(".") for flag in GRAVE if flag in str(row["flags"]).split()]
        found[str(study)] = reasons + out_of_range(row.to_dict(), facts.get("ranges", {}) if facts else {}, WORDS)
    return found


def noted(row: Mapping[Any, Any], window: int) -> list[str]:
    """What is odd about a study and no warning of `outside`, in words. row: of STUDY_SCHEMA. window: slices, the run's.

    Preparation counts slices against the published window: here those of the run that answers count.
    """
    elsewhere = (*GRAVE, "few_slices")
    found = [STUDY_FLAGS[flag].removesuffix(".") for flag in row["flags"].split() if flag not in elsewhere]
    if 1 < row["slices"] < window:
        found.insert(0, f"{row['slices']} slices, fewer than the run's window of {window} has")
    return found


def _by_study(studies: pd.DataFrame, boxes: pd.DataFrame) -> pd.DataFrame:
    """WORDS, fallback and flags, indexed by study."""
    table = (
        studies[["study_uid", "slices", "slice_spacing_mm", "flags"]]
        .merge(boxes, on="study_uid")
        .set_index("study_uid")
    )
    shown = table["last_slice"] - table["first_slice"] + 1
    return table.assign(
        length_mm=(table["slices"] - 1) * table["slice_spacing_mm"], range_share=shown / table["slices"]
    )[[*WORDS, "fallback", "flags"]]
