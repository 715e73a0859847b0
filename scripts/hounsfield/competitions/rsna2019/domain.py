"""What a model of this competition's kind was trained on, in a few numbers, and which studies lie outside of it.

The facts travel with the model's weights, so that an answer says what it rests on wherever the training set is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hounsfield.core.dicom.body_parts import HEAD
from hounsfield.core.dicom.stacks import ORIENTATION
from hounsfield.core.evaluation.domain import BY_PHANTOMS, out_of_range, ranges_of
from hounsfield.core.imaging.geometry import slice_normal
from hounsfield.core.stages.upstream import Upstream

RANGES = {"hu_mean": "mean HU", "hu_max": "highest HU", "brain_ratio": "share of pixels between 0 and 80 HU"}
DOMAIN_COLUMNS = ("study_uid", *ORIENTATION, *RANGES, "body_part")
DEGREES = 20.0  # by which a slice may be further off the table's axis than any that was trained on


def training_facts(data: Upstream, slices: pd.DataFrame) -> dict[str, Any]:
    """What the models on `slices` are trained on: data set, drawn or not, ranges over studies, tilt, body parts.

    slices: DOMAIN_COLUMNS, those that are learnt from.
    """
    studies = _by_study(slices)
    ranges = ranges_of(studies[list(RANGES)])
    parts = sorted(set(slices["body_part"].fillna("")) - {""})
    tilt = float(np.nan_to_num(studies["tilt"].max()))
    drawn = bool(data.record["facts"].get("drawn"))
    return {"data_set": data.folder.name, "drawn": drawn, "ranges": ranges, "tilt": tilt, "body_parts": parts}


def outside(slices: pd.DataFrame, facts: Mapping[str, Any] | None) -> dict[str, list[str]]:
    """By study, in what it lies outside of what was trained on. slices: DOMAIN_COLUMNS.

    A model of phantoms is outside with every patient, and says so.
    """
    if facts is None:
        return {}
    found: dict[str, list[str]] = {}
    known, ranges = HEAD | set(facts.get("body_parts", ())), facts.get("ranges", {})
    for study, row in _by_study(slices).iterrows():
        reasons = [BY_PHANTOMS] if facts["drawn"] else []
        strange = sorted(set(row["body_parts"]) - known)
        if strange:
            reasons.append(f"body part {' and '.join(strange)}, which the models were not trained on")
        if row["tilt"] > facts.get("tilt", 90) + DEGREES:
            reasons.append(f"slices {row['tilt']:.0f} degrees off axial, trained on {facts['tilt']:.0f} at most")
        reasons += out_of_range(row.to_dict(), ranges, RANGES)
        found[str(study)] = reasons
    return found


def _by_study(slices: pd.DataFrame) -> pd.DataFrame:
    """By study: the median of each of RANGES, the largest tilt in degrees (NaN where unknown), its body parts."""
    normals = slice_normal(slices[list(ORIENTATION)].to_numpy(np.float64))
    tilt = np.degrees(np.arccos(np.clip(np.abs(normals[:, 2]), 0, 1)))
    table = slices.assign(tilt=tilt, body_part=slices["body_part"].fillna(""))
    groups = table.groupby("study_uid")
    parts = groups["body_part"].agg(lambda found: sorted(set(found) - {""}))
    return groups[list(RANGES)].median().join(groups["tilt"].max()).join(parts.rename("body_parts"))
