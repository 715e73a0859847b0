"""Made-up maps in an output folder, as stage 63 leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import require
from hounsfield.core.storage.arrays import write_array
from hounsfield.pneumothorax.maps import MAPS, ROWS, FilmRows, Maps
from hounsfield.pneumothorax.paths import MAPS as STAGE


def made_maps(work: Path, name: str, array: np.ndarray, ids: list[str], folds: list[int]) -> Maps:
    """array: (N, S, S), as stored."""
    folder = work / "data" / "drawn" / "maps" / name
    with output(folder, Provenance(STAGE, {"name": name}, {}), force=True, remedy="") as out:
        FilmRows(pd.DataFrame({"film_id": ids}), np.array(folds, np.int8)).write(folder / ROWS)
        write_array(folder / MAPS, array)
        out.finish([MAPS, ROWS])
    return Maps(require(work, folder, STAGE, lambda stage, *_: f"sh bin/{stage}.sh"))
