"""How good boxes and curves are: overlaps worked by hand, and the order of the vertebrae's peaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2022.tables import SLICE_SCHEMA
from hounsfield.spine.box_quality import box_overlap, box_quality, peaks_of, printed_quality, range_overlap
from hounsfield.spine.tables import RATIO_PREDICTIONS

STUDIES = pd.DataFrame({"study_uid": ["a", "b", "c"], "fold": [0, 1, 0]})


def boxes() -> pd.DataFrame:
    rows = [(name, 0.0, 0.0, 10.0, 10.0, 2, 11, 0.9, False) for name in "abc"]
    names = ["study_uid", "x0", "y0", "x1", "y1", "first_slice", "last_slice", "presence", "fallback"]
    return pd.DataFrame(rows, columns=names)


def slices() -> pd.DataFrame:
    """Study a shows the neck from (5, 0) to (9, 9), both within, in slices 2 to 6; b and c have no segmentation."""
    table = pd.DataFrame([dict.fromkeys(SLICE_SCHEMA.names) | {"study_uid": "a", "slice": n} for n in range(12)])
    shown = table["slice"].between(2, 6)
    table["has_box"] = shown.astype(int)
    edges = pd.DataFrame({"x0": 5.0, "y0": 0.0, "x1": 9.0, "y1": 9.0}, table.index).where(shown)
    edges.loc[4, ["x0", "y1"]] = (7.0, 4.0)  # one that shows less
    return table.assign(**edges)


def curves(*peaks: tuple[int, ...]) -> pd.DataFrame:
    """Each vertebra of each study is a triangle around its peak."""
    parts = []
    for study, own in zip("abc", peaks, strict=False):
        values = np.clip(1 - np.abs(np.arange(20)[:, np.newaxis] - np.array(own)) / 4, 0, 1)
        parts.append(pd.DataFrame(values, columns=list(RATIO_PREDICTIONS)).assign(study_uid=study, slice=range(20)))
    return pd.concat(parts, ignore_index=True)


def test_overlaps_are_those_worked_by_hand() -> None:
    found, true = np.array([[0, 0, 10, 10], [0, 0, 2, 2]]), np.array([[5, 0, 15, 10], [4, 4, 6, 6]])
    assert box_overlap(found, true).tolist() == pytest.approx([50 / 150, 0])
    # slices 2 to 11 and 2 to 6 share five of ten; 0 to 1 and 5 to 6 none
    assert range_overlap(np.array([[2, 11], [0, 1]]), np.array([[2, 6], [5, 6]])).tolist() == [0.5, 0]


def test_a_study_is_held_against_the_hull_of_its_segmentation() -> None:
    straight = tuple(range(2, 16, 2))
    quality = box_quality(STUDIES, boxes(), slices(), curves(straight, straight, straight)).set_index("study_uid")
    # 0 to 10 and 5 to 10 (the segmentation's last column is 9, and within): 5 x 10 of 10 x 10
    assert quality.loc["a", ["box_iou", "range_iou"]].tolist() == [0.5, 0.5]
    assert quality.loc[["b", "c"], "box_iou"].isna().all()
    assert "(1 segmented)" in printed_quality(quality)


def test_vertebrae_out_of_order_are_seen_and_equal_peaks_are_no_order() -> None:
    straight, swapped, same = (2, 4, 6, 8, 10, 12, 14), (2, 4, 8, 6, 10, 12, 14), (2, 4, 6, 6, 10, 12, 14)
    quality = box_quality(STUDIES, boxes(), slices(), curves(straight, swapped, same))
    assert quality["in_order"].tolist() == [True, False, False]
    assert peaks_of(curves(straight)).loc["a"].tolist() == list(straight)
    assert "in 33.3% of 3 studies" in printed_quality(quality)


def test_a_study_without_curves_is_not_called_ordered() -> None:
    quality = box_quality(STUDIES, boxes(), slices(), curves((2, 4, 6, 8, 10, 12, 14)))
    assert quality["in_order"].tolist() == [True, False, False]
