"""One box per study: averaged first, then the outermost edges of the triplets that are sure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import require
from hounsfield.spine.boxes import aggregate, boxes_of, square_of
from hounsfield.spine.config import BoxesConfig
from hounsfield.spine.paths import BOXES, TABLE, boxes_folder
from reference.neck_boxes import box, middles, square
from spine.found_necks import found_boxes
from spine.made_data import DATA_SET, made_necks

CONFIG = BoxesConfig()


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_boxes_and_ranges_are_those_of_the_reference(seed: int, triplets: int) -> None:
    """Published: the rolling mean ran over the blocks of all seeds, one after the other (defect 6)."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.uniform(-0.2, 1.2, (triplets, 5)), axis=1)[:, [0, 1, 2, 3, 4]]
    rows[:, 4] = rng.random(triplets) ** 4
    rows[rng.integers(triplets), 4] = 0.9
    found = aggregate(rows, 3 * triplets, (50, 40), CONFIG)
    if not found.fallback:
        assert found[:4] == box(rows.tolist(), 50, 40)
        assert (found.first_slice, found.last_slice) == middles(rows.tolist(), 3 * triplets)
        assert found.presence == rows[:, 4].max()


@given(st.integers(0, 10_000))
def test_the_square_is_that_of_the_reference_and_holds_the_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (x0, x1), (y0, y1) = (np.sort(rng.choice(40, 2, replace=False)).tolist() for _ in "xy")
    found = square_of((x0, y0, x1, y1), (48, 44))
    assert tuple(found) == square((x0, y0, x1, y1), 48, 44)
    assert found.x0 <= x0 < x1 <= found.x1
    assert found.y0 <= y0 < y1 <= found.y1


def test_the_published_square() -> None:
    assert tuple(square_of((10, 20, 31, 30), (512, 512))) == (10, 14, 31, 35)


def test_a_study_without_a_sure_triplet_gets_the_fallback_box_and_all_slices() -> None:
    """Published: it had no row, and two studies were left out by name (defect 14)."""
    found = aggregate(np.tile([0.4, 0.4, 0.6, 0.6, 0.5], (9, 1)), 26, (50, 40), CONFIG)
    assert found == (8, 10, 32, 40, 0, 25, 0.5, True)


def test_the_range_begins_above_its_bound_and_not_at_it() -> None:
    rows = np.tile([0.3, 0.3, 0.7, 0.7, 0.25], (12, 1))
    rows[-1, 4] = 0.75  # within the mean of the last three triplets
    assert aggregate(rows, 36, (50, 40), BoxesConfig(range_presence=0.25))[4:6] == (28, 34)


def test_a_box_of_no_width_is_no_box() -> None:
    found = aggregate(np.tile([0.75, 0.25, 0.25, 0.75, 0.9], (9, 1)), 27, (50, 40), CONFIG)
    assert found.fallback


def test_quantiles_leave_single_triplets_out() -> None:
    rows = np.tile([0.3, 0.3, 0.7, 0.7, 0.9], (20, 1))
    rows[4, :4] = (0, 0, 1, 1)
    assert aggregate(rows, 60, (100, 100), CONFIG)[:4] == (0, 0, 100, 100)
    assert aggregate(rows, 60, (100, 100), BoxesConfig(quantile=0.06))[:4] == (30, 30, 70, 70)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_study_of_few_slices_has_a_range_within_itself(count: int) -> None:
    triplets = 1 + (count > 3)
    found = aggregate(np.tile([0.3, 0.3, 0.7, 0.7, 0.9], (triplets, 1)), count, (50, 40), CONFIG)
    assert (found.first_slice, found.last_slice) == (0, count - 1)


def test_the_last_triplet_ends_with_the_study() -> None:
    rows = np.tile([0.3, 0.3, 0.7, 0.7, 0.9], (4, 1))  # of slices 0, 3, 6 and 8 to 10
    assert aggregate(rows, 11, (50, 40), CONFIG)[4:6] == (1, 9)


def test_the_columns_of_boxes_are_known_by_name_in_whatever_order_they_stand(tmp_path: Path) -> None:
    """Defect 5: four columns were taken by their places, of a table that nothing created."""
    made_necks(tmp_path, train=2, test=0)
    found_boxes(tmp_path, "any")

    def boxes() -> list[tuple[float, ...]]:
        found = require(tmp_path, boxes_folder(tmp_path, DATA_SET, "any"), BOXES, lambda stage, *_: stage)
        return [tuple(one) for one in boxes_of(found, ["1.2.001", "1.2.000"])]

    before, folder = boxes(), boxes_folder(tmp_path, DATA_SET, "any")
    table = pq.read_table(folder / TABLE)
    with output(folder, Provenance(BOXES, {}, {}), force=True, remedy="") as out:
        pq.write_table(table.select(table.column_names[::-1]), out.folder / TABLE)
        out.finish([TABLE])
    assert boxes() == before
    assert before[0][0] < before[0][2]
    assert before[0][6:] == (pytest.approx(0.9), False)
