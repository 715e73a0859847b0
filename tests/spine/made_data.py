"""A made-up data set of necks as preparation leaves it: in each a bright block, of which every seventh is a vertebra.

Vertebra i is brighter than the one above it, and thickest in its middle slice; air surrounds the soft tissue.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.paths import PREPARE, SLICES, STUDIES, volume_path
from hounsfield.competitions.rsna2022.tables import BOX, RATIOS, SLICE_SCHEMA, STUDY_SCHEMA, TEST_FOLD, VOXELS
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.storage.arrays import array_number, write_array
from hounsfield.core.storage.data_sets import data_folder
from hounsfield.core.storage.tables import write_table

DATA_SET = "made_necks"
ROWS, COLUMNS = 48, 40  # pixels
AIR, TISSUE, BRIGHTEST = -1000, 0, 1200  # HU


class Neck(NamedTuple):
    """One study: its volume, and the vertebra that each of its voxels belongs to."""

    volume: np.ndarray  # (slices, ROWS, COLUMNS) int16 HU, head to feet
    vertebrae: np.ndarray  # the same shape, uint8: 0, or 1 for C1 to 7 for C7


def fracture_of(number: int) -> int | None:
    """The vertebra of a study that is fractured, 1 for C1: one in every other study."""
    return 1 + number // 2 % 7 if number % 2 else None


def made_neck(number: int, slices: int) -> Neck:
    """A neck whose vertebrae begin in its first fifth and end in its last, at a place of its own.

    A dark cleft runs through the vertebra that is fractured.
    """
    rng = np.random.default_rng(number)
    volume = np.full((slices, ROWS, COLUMNS), AIR, np.int16)
    volume[:, 4:-4, 4:-4] = TISSUE + rng.integers(-30, 30, (slices, ROWS - 8, COLUMNS - 8))
    vertebrae = np.zeros(volume.shape, np.uint8)
    row, column = int(rng.integers(5, 29)), int(rng.integers(5, 21))
    edges = np.linspace(slices // 6, slices - slices // 6, 8).astype(int)
    for place, (start, end) in enumerate(itertools.pairwise(edges), 1):
        for z in range(start, end):
            half = 7 - 2 * abs(2 * z - start - end + 1) // max(1, end - start)
            part = np.s_[z, row : row + 2 * half, column : column + 2 * half]
            volume[part] = BRIGHTEST * (place + 2) // 9
            if place == fracture_of(number):
                volume[z, row + half - 1 : row + half + 1, column : column + 2 * half] = AIR
            vertebrae[part] = place
    return Neck(volume, vertebrae)


def slice_rows(study_uid: str, neck: Neck, *, segmented: bool) -> pd.DataFrame:
    """The rows of the table of slices."""
    count = len(neck.volume)
    rows = {name: [None] * count for name in SLICE_SCHEMA.names}
    rows |= {"study_uid": [study_uid] * count, "slice": range(count), "slice_number": range(count, 0, -1)}
    rows |= {"z_mm": -np.arange(count, dtype=float), "path": [f"{study_uid}/{count - z}.dcm" for z in range(count)]}
    rows |= {"flags": [""] * count}
    if segmented:
        voxels = np.stack([(neck.vertebrae == place).sum(axis=(1, 2)) for place in range(1, 8)], axis=1)
        rows |= {"has_box": voxels.any(axis=1).astype(np.int8)}
        rows |= dict(zip(VOXELS, voxels.T, strict=True))
        rows |= dict(zip(RATIOS, (voxels / voxels.max(axis=0).clip(1)).T.astype(np.float32), strict=True))
        rows |= dict(zip(BOX, np.array([_box(one) for one in neck.vertebrae], object).T, strict=True))
    return pd.DataFrame(rows)


def _box(vertebrae: np.ndarray) -> tuple[int | None, ...]:
    y, x = np.nonzero(vertebrae)
    return (None,) * 4 if not len(y) else (int(x.min()), int(y.min()), int(x.max()), int(y.max()))


def study_row(study_uid: str, number: int, neck: Neck, fold: int, *, segmented: bool) -> dict[str, object]:
    """The row of the table of studies. Every other study with labels has a fracture, of one vertebra."""
    row: dict[str, object] = dict.fromkeys(STUDY_SCHEMA.names)
    row |= {"study_uid": study_uid, "patient_id": f"p{number:03d}", "fold": fold, "flags": "", "z_direction": -1}
    row |= dict(zip(("slices", "rows", "columns"), neck.volume.shape, strict=True))
    row |= {"row_spacing_mm": 0.5, "column_spacing_mm": 0.5, "slice_spacing_mm": 1.0}
    row |= {"has_segmentation": segmented, "volume_digest": array_number(neck.volume)}
    row |= {"split": "test" if fold == TEST_FOLD else "train"}
    if fold != TEST_FOLD:
        row |= dict.fromkeys(NAMES, 0.0)
        if fracture := fracture_of(number):
            row |= {NAMES[0]: 1.0, NAMES[fracture]: 1.0}
    return row


def made_necks(
    work: Path, *, train: int = 6, test: int = 1, folds: int = 2, slices: tuple[int, int] = (24, 40),
    unsegmented: int = 0, data_set: str = DATA_SET,
) -> Path:  # fmt: skip
    """A data set of `train` studies with labels in `folds` folds, the last `unsegmented` without segmentation, and of
    `test` ones without labels. slices: the fewest and the most that a study has."""
    folder, tables, studies = data_folder(work, data_set), [], []
    with output(folder, Provenance(PREPARE, {"fold_count": folds}, {}), force=True, remedy="") as out:
        for number in range(train + test):
            study_uid = f"1.2.{number:03d}"
            count = slices[0] + number * 7 % (slices[1] - slices[0] + 1)
            neck, fold = made_neck(number, count), number % folds if number < train else TEST_FOLD
            segmented = number < train - unsegmented
            write_array(volume_path(work, data_set, study_uid), neck.volume)
            tables.append(slice_rows(study_uid, neck, segmented=segmented))
            studies.append(study_row(study_uid, number, neck, fold, segmented=segmented))
        write_table(folder / STUDIES, pd.DataFrame(studies), STUDY_SCHEMA)
        write_table(folder / SLICES, pd.concat(tables), SLICE_SCHEMA)
        out.finish([STUDIES, SLICES])
    return folder
