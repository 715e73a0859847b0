"""One box and range of slices per study, out of what the localiser says of its triplets. T triplets of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.imaging.boxes import Box
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.tables import read_table
from hounsfield.spine.config import BoxesConfig
from hounsfield.spine.paths import TABLE
from hounsfield.spine.slice_windows import triplet_starts
from hounsfield.spine.tables import BOX_SCHEMA


class StudyBox(NamedTuple):
    """One row of BOX_SCHEMA, behind the study's name."""

    x0: float  # pixels; x1 and y1 are the ends, not within
    y0: float
    x1: float
    y1: float
    first_slice: int
    last_slice: int  # is within
    presence: float
    fallback: bool


def check_boxes(config: BoxesConfig) -> None:
    """Raise WrongUse where the fallback box is none, or where settings turn what is learnt or found upside down."""
    x0, y0, x1, y1 = config.fallback_box
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise WrongUse(f"boxes.fallback_box {list(config.fallback_box)}: give x0, y0, x1, y1 as shares from 0 to 1, "
                       "x0 below x1 and y0 below y1")  # fmt: skip
    for name, share in (("quantile", config.quantile), ("label_smoothing", config.label_smoothing)):
        if share >= 0.5:
            raise WrongUse(f"boxes.{name} {share:g}: give a share below 0.5")


def aggregate(predictions: np.ndarray, count: int, shape: tuple[int, int], config: BoxesConfig) -> StudyBox:
    """The box and the range of slices of one study.

    predictions: (T, 5) of the triplets that `triplet_starts(count)` begins, averaged over networks: x0, y0, x1, y1 in
    shares of the image, and the probability that the triplet shows the neck. count: slices. shape: rows, columns.
    Source: RSNA 2022, 3rd place; published without averaging first.
    """
    shares, presence = predictions[:, :4].clip(0, 1), predictions[:, 4]
    sure = presence > config.presence
    if sure.any():
        low = np.quantile(shares[sure, :2], config.quantile, axis=0)
        high = np.quantile(shares[sure, 2:], 1 - config.quantile, axis=0)
        edges = _in_pixels((*low, *high), shape)
        if edges[0] < edges[2] and edges[1] < edges[3]:
            return StudyBox(*edges, *_slice_range(presence, count, config), float(presence.max()), False)
    return StudyBox(*_in_pixels(config.fallback_box, shape), 0, count - 1, float(presence.max()), True)


def _in_pixels(shares: tuple[float, ...], shape: tuple[int, int]) -> tuple[float, float, float, float]:
    rows, columns = shape
    x0, y0, x1, y1 = shares
    return (
        float(np.floor(x0 * columns)), float(np.floor(y0 * rows)), float(np.ceil(x1 * columns)),
        float(np.ceil(y1 * rows)),
    )  # fmt: skip


def _slice_range(presence: np.ndarray, count: int, config: BoxesConfig) -> tuple[int, int]:
    """The middle slices of the first and the last triplet whose smoothed presence is high enough; else all slices."""
    rolling = pd.Series(presence).rolling(config.smoothing, center=True, min_periods=(config.smoothing + 1) // 2)
    present = np.flatnonzero(rolling.mean() > config.range_presence)  # no mean of too few is above anything
    if not len(present):
        return 0, count - 1
    middles = np.minimum(triplet_starts(count) + 1, count - 1)
    return int(middles[present[0]]), int(middles[present[-1]])


def square_of(box: tuple[float, float, float, float], shape: tuple[int, int]) -> Box:
    """The square that is cut out for a study's box x0, y0, x1, y1 (pixels), within a slice of `shape` rows, columns.

    The shorter side grows by the difference: its low edge moves by the larger half of it. What would lie outside of the
    slice is cut off, so that it may not be a square at the border.
    """
    x0, y0, x1, y1 = (int(edge) for edge in box)
    wanting = (x1 - x0) - (y1 - y0)
    if wanting > 0:
        y0, y1 = y0 - (wanting + 1) // 2, y1 + wanting // 2
    else:
        x0, x1 = x0 - (1 - wanting) // 2, x1 + -wanting // 2
    rows, columns = shape
    return Box(max(0, x0), max(0, y0), min(columns, x1), min(rows, y1))


def read_boxes(boxes: Upstream) -> pd.DataFrame:
    """The boxes of a data set's studies, BOX_SCHEMA, sorted by study_uid."""
    return read_table(boxes.file(TABLE), BOX_SCHEMA, remedy=boxes.remedy)


def boxes_of(boxes: Upstream, study_uids: Sequence[str]) -> list[StudyBox]:
    """The box of each of some studies. Raises BadInput naming a study that has none, not even the fallback one."""
    rows = {str(row[0]): StudyBox(*row[1:]) for row in read_boxes(boxes).itertuples(index=False, name=None)}
    missing = [uid for uid in study_uids if uid not in rows]
    if missing:
        raise BadInput(
            f"{boxes.folder}: {len(missing)} studies have no box, the first is {missing[0]}; make them anew: "
            f"{boxes.remedy} --force"
        )
    return [rows[uid] for uid in study_uids]
