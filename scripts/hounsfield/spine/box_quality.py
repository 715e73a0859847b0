"""How good boxes and curves of vertebrae are, on studies that their networks have not learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hounsfield.competitions.rsna2022.labels import VERTEBRAE
from hounsfield.competitions.rsna2022.tables import BOX
from hounsfield.core.evaluation.metrics import mean_of_known
from hounsfield.core.storage.files import write_bytes
from hounsfield.spine.tables import RATIO_PREDICTIONS

PEAKS = tuple(f"{name}_slice" for name in VERTEBRAE)  # the slice with the most of each vertebra
RANGE = ("first_slice", "last_slice")


def peaks_of(curves: pd.DataFrame) -> pd.DataFrame:
    """The slice with the most of each vertebra, by study: PEAKS, rows of the volume; the first of several.

    curves: study_uid, slice and RATIO_PREDICTIONS, a row per slice. A study without known ones has no row.
    """
    indexed = curves.set_index(["study_uid", "slice"])[list(RATIO_PREDICTIONS)].dropna()
    highest = indexed.groupby(level="study_uid").idxmax()
    return highest.map(lambda place: place[1]).set_axis(list(PEAKS), axis=1).astype(int)


def true_boxes(slices: pd.DataFrame) -> pd.DataFrame:
    """The hull of what the segmentation shows in all slices, by study: BOX, whose ends are not within, and RANGE.

    slices: SLICE_SCHEMA. A study without a segmentation, or whose segmentation shows no vertebra, has no row.
    """
    shown = slices[slices["has_box"] == 1]
    groups = shown.groupby("study_uid")
    hull = pd.concat([groups[["x0", "y0"]].min(), groups[["x1", "y1"]].max() + 1], axis=1)
    return hull.assign(first_slice=groups["slice"].min(), last_slice=groups["slice"].max())


def box_overlap(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes x0, y0, x1, y1 whose ends are not within: (N, 4) twice -> (N,)."""
    low, high = np.maximum(found[:, :2], true[:, :2]), np.minimum(found[:, 2:], true[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    either = sum(np.prod(one[:, 2:] - one[:, :2], axis=1) for one in (found, true)) - both
    return np.asarray(both / either)


def range_overlap(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Intersection over union of ranges of slices, first and last of which are within: (N, 2) twice -> (N,)."""
    both = np.clip(np.minimum(found[:, 1], true[:, 1]) - np.maximum(found[:, 0], true[:, 0]) + 1, 0, None)
    either = sum(one[:, 1] - one[:, 0] + 1 for one in (found, true)) - both
    return np.asarray(both / either)


def box_quality(studies: pd.DataFrame, boxes: pd.DataFrame, slices: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """A row per out-of-fold study: its box and range, those of its segmentation, how far they overlap, and the peaks.

    studies: study_uid and fold of those that are scored. boxes: BOX_SCHEMA; slices: SLICE_SCHEMA; curves: as for
    `peaks_of`; each may have rows of other studies. box_iou and range_iou are NaN where a study has no segmentation;
    in_order says whether the peaks of C1 to C7 follow each other from head to feet.
    """
    table = studies[["study_uid", "fold"]].merge(boxes, on="study_uid").set_index("study_uid")
    true = true_boxes(slices).reindex(table.index)
    found = table[[*BOX, *RANGE]].to_numpy(np.float64)
    table = table.join(true.add_prefix("true_"))
    own = true.to_numpy(np.float64)
    table["box_iou"] = box_overlap(found[:, :4], own[:, :4])
    table["range_iou"] = range_overlap(found[:, 4:], own[:, 4:])
    table = table.join(peaks_of(curves))
    table["in_order"] = np.all(np.diff(table[list(PEAKS)].to_numpy(np.float64), axis=1) > 0, axis=1)
    return table.reset_index()


def write_box_quality(path: Path, quality: pd.DataFrame) -> None:
    """Write what `box_quality` found as CSV."""
    write_bytes(path, quality.to_csv(index=False, float_format="%.4f", lineterminator="\n").encode())


def read_box_quality(path: Path) -> pd.DataFrame:
    """Read what `write_box_quality` wrote."""
    return pd.read_csv(path, dtype={"study_uid": str})


def printed_quality(quality: pd.DataFrame) -> str:
    """The means, in a line for a terminal."""
    known = int(quality["box_iou"].notna().sum())
    facts = [f"peaks of C1 to C7 in order in {quality['in_order'].mean():.1%} of {len(quality)} studies"]
    if known:
        box, slices = (mean_of_known(quality[name].to_numpy()) for name in ("box_iou", "range_iou"))
        facts = [
            f"intersection over union of boxes {box:.3f} and of ranges of slices {slices:.3f} ({known} segmented)",
            *facts,
        ]
    fallback = int(quality["fallback"].sum())
    return f"out of fold: {'; '.join(facts)}" + (f"; {fallback} fallback boxes" if fallback else "")
