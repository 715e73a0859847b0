"""Pictures of answered studies: which are drawn, and from what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.paths import volume_path
from hounsfield.competitions.rsna2022.tables import BOX
from hounsfield.core.errors import WrongUse
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD
from hounsfield.core.logs import progress
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.volumes import open_volume
from hounsfield.spine.box_quality import RANGE
from hounsfield.spine.figures import StudyView, draw_study
from hounsfield.spine.tables import RATIO_PREDICTIONS

PICTURES = "pictures"  # their folder, below that of the answers
SPACING = ("slice_spacing_mm", "row_spacing_mm", "column_spacing_mm")
USUAL, NONE = ("4",), ("0",)


def chosen_studies(wanted: Sequence[str], answers: pd.DataFrame) -> list[str]:
    """The studies to draw: those that are named, or as many as a number says, from the surest fracture to the least.

    answers: study_uid, split and NAMES. A number is shared out over the out-of-fold studies, whose labels are known,
    where there are any. Raises WrongUse for a study that is not among them.
    """
    if len(wanted) == 1 and wanted[0].isdecimal():
        known = answers[answers["split"] == OUT_OF_FOLD]
        ranked = (known if len(known) else answers).sort_values(NAMES[0], ascending=False, kind="stable")
        places = np.linspace(0, len(ranked) - 1, min(int(wanted[0]), len(ranked))).round().astype(int)
        return list(ranked["study_uid"].iloc[places])
    strange = sorted(set(wanted) - set(answers["study_uid"]))
    if strange:
        raise WrongUse(f"--pictures {strange[0]}: no such study is answered for; give a number, or studies of findings")
    return list(wanted)


def draw_pictures(
    folder: Path,
    data: Upstream,
    studies: pd.DataFrame,
    answers: pd.DataFrame,
    boxes: pd.DataFrame,
    curves: pd.DataFrame,
) -> list[Path]:
    """Draw some studies; returns the pictures' paths. One that is there already is left as it is.

    studies: those to draw, STUDY_SCHEMA. answers: study_uid and NAMES. boxes: BOX_SCHEMA. curves: study_uid, slice and
    RATIO_PREDICTIONS. Each of these may hold other studies, too.
    """
    probabilities, found = answers.set_index("study_uid")[list(NAMES)], boxes.set_index("study_uid")
    paths = [folder / f"{uid}.png" for uid in studies["study_uid"]]
    todo = [(path, row) for path, row in zip(paths, studies.to_dict("records"), strict=True) if not path.exists()]
    for path, row in progress(todo, total=len(todo), unit="study", label="pictures"):
        uid = str(row["study_uid"])
        volume = open_volume(volume_path(data.work, data.folder.name, uid), remedy=data.remedy)
        own = curves[curves["study_uid"] == uid].set_index("slice")[list(RATIO_PREDICTIONS)]
        box = found.loc[uid]
        view = StudyView(
            name=uid,
            volume=volume,
            spacing=tuple(float(row[name]) for name in SPACING),  # type: ignore[arg-type]
            ratios=own.reindex(range(len(volume))).to_numpy(np.float64, na_value=np.nan),
            box=tuple(float(box[name]) for name in BOX),  # type: ignore[arg-type]
            slices=tuple(int(box[name]) for name in RANGE),  # type: ignore[arg-type]
            probabilities=probabilities.loc[uid].to_numpy(np.float64),
            labels=np.array([row[name] for name in NAMES], np.float64),
        )
        draw_study(path, view)
    return paths
