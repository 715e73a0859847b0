"""What networks of this competition's kind were trained on, and which films lie outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hounsfield.core.evaluation.domain import BY_PHANTOMS
from hounsfield.core.stages.upstream import Upstream


def training_facts(data: Upstream, films: pd.DataFrame) -> dict[str, Any]:
    """What the networks on `films` are trained on: data set, drawn or not, the views that headers name.

    films: view_position of those that are learnt from.
    """
    drawn = bool(data.record["facts"].get("drawn"))
    return {"data_set": data.folder.name, "drawn": drawn, "views": sorted({*films["view_position"].fillna("")} - {""})}


def outside(films: pd.DataFrame, facts: Mapping[str, Any] | None) -> list[str]:
    """In what each film lies outside of what was trained on, in words; "" where in nothing that is known.

    films: view_position. facts: as `training_facts`; None where the training noted nothing.
    """
    if facts is None:
        return [""] * len(films)
    known, found = facts["views"], []
    for view in films["view_position"].fillna(""):
        reasons = [BY_PHANTOMS] if facts["drawn"] else []
        if view and known and view not in known:
            reasons.append(f"view {view}, which the networks were not trained on ({' '.join(known)})")
        found.append("; ".join(reasons))
    return found
