"""What stages 52 and 53 leave of made-up necks: their true boxes, and their true ratios as pseudo-labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import VERTEBRAE as NAMES
from hounsfield.competitions.rsna2022.tables import RATIOS, TEST_FOLD, open_data_set, read_slices, read_studies
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.storage.tables import write_table
from hounsfield.spine.paths import BOXES, TABLE, VERTEBRAE, boxes_folder, pseudo_labels_folder
from hounsfield.spine.tables import BOX_SCHEMA, FRACTURE_TARGETS, PSEUDO_SCHEMA, RATIO_PREDICTIONS
from spine.made_data import COLUMNS, DATA_SET, ROWS, made_neck


def found_boxes(
    work: Path,
    experiment: str,
    *,
    data_set: str = DATA_SET,
    fallback: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> Path:
    """The boxes of all studies. fallback: studies that have the configured one. without: studies that have none."""
    data = open_data_set(work, data_set, lambda stage, *_: stage)
    studies = read_studies(data)
    rows = []
    for number, (uid, count) in enumerate(zip(studies["study_uid"], studies["slices"], strict=True)):
        z, y, x = np.nonzero(made_neck(number, count).vertebrae)
        row = {"x0": x.min(), "y0": y.min(), "x1": x.max() + 1, "y1": y.max() + 1}
        row |= {"first_slice": z.min(), "last_slice": z.max(), "presence": 0.9, "fallback": False}
        if uid in fallback:
            row |= {"x0": COLUMNS // 5, "y0": ROWS // 5, "x1": COLUMNS * 4 // 5, "y1": ROWS * 4 // 5}
            row |= {"first_slice": 0, "last_slice": count - 1, "presence": 0.1, "fallback": True}
        if uid not in without:
            rows.append(row | {"study_uid": uid})
    folder = boxes_folder(work, data_set, experiment)
    with output(folder, Provenance(BOXES, {}, {"data set": data.as_input()}), force=True, remedy="") as out:
        write_table(folder / TABLE, pd.DataFrame(rows), BOX_SCHEMA)
        out.finish([TABLE], learned=of_other_folds(studies))
    return folder


def found_pseudo_labels(work: Path, experiment: str, *, data_set: str = DATA_SET) -> Path:
    """How much of each vertebra, and of its fracture, each slice of the training studies shows."""
    data = open_data_set(work, data_set, lambda stage, *_: stage)
    studies = read_studies(data)
    trained = studies[studies["fold"] != TEST_FOLD]
    slices = read_slices(data).merge(trained[["study_uid", *NAMES]], on="study_uid")
    ratios = slices[list(RATIOS)].to_numpy(np.float32)
    table = slices[["study_uid", "slice"]].assign(models="true")
    table[list(RATIO_PREDICTIONS)] = ratios
    table[list(FRACTURE_TARGETS)] = ratios * slices[list(NAMES)].to_numpy(np.float32)
    folder = pseudo_labels_folder(work, data_set, experiment)
    with output(folder, Provenance(VERTEBRAE, {}, {"data set": data.as_input()}), force=True, remedy="") as out:
        write_table(folder / TABLE, table, PSEUDO_SCHEMA)
        out.finish([TABLE], learned=of_other_folds(trained))
    return folder


def of_other_folds(studies: pd.DataFrame) -> Ledger:
    """Each fold is answered for by networks that have seen the segmented studies of the other ones."""
    seen = studies[studies["has_segmentation"] & (studies["fold"] != TEST_FOLD)]
    folds = sorted(set(seen["fold"]))
    parts = [Ledger.of(DATA_SET, seen.loc[seen["fold"] != fold, "patient_id"], part=fold_part(fold)) for fold in folds]
    return Ledger.joined(parts)
