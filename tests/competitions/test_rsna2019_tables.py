from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.tables import (
    FILE_SCHEMA,
    SLICE_SCHEMA,
    add_labels_and_folds,
    order_slices,
    spacing_facts,
)
from hounsfield.core.storage.tables import to_arrow

AXIAL = (1.0, 0, 0, 0, 1, 0)


def files(positions: list[tuple[float, float, float]], orientation: tuple[float, ...] = AXIAL) -> pd.DataFrame:
    """One series; image k is the k-th of `positions`."""
    table = FILE_SCHEMA.empty_table().to_pandas().reindex(range(len(positions)))
    table["image_id"] = [f"ID_{k:09x}" for k in range(len(positions))]
    for name in ("patient_id", "study_uid", "series_uid", "flags"):
        table[name] = "ID_aaaaaa"
    table[["x_mm", "y_mm", "z_mm"]] = np.array(positions, float)
    table[["row_x", "row_y", "row_z", "column_x", "column_y", "column_z"]] = np.array(orientation)
    return table


def order_of(slices: pd.DataFrame) -> list[int]:
    return [int(name.removeprefix("ID_"), 16) for name in slices["image_id"]]


@settings(max_examples=40)
@given(st.permutations(range(12)))
def test_slices_stand_in_order_of_position_whatever_the_order_of_files(heights: list[int]) -> None:
    slices = order_slices(files([(0, 0, 5.0 * z) for z in heights]), "normal")
    assert slices["normal_mm"].tolist() == [5.0 * k for k in range(12)]
    assert slices["order"].tolist() == list(range(12))


def test_a_wandering_x_scrambles_the_published_order_and_not_ours() -> None:
    table = files([(-125.0 + wander, -125, z) for wander, z in ((0.3, 0), (0.1, 5), (0.2, 10))])
    assert order_of(order_slices(table, "normal")) == [0, 1, 2]
    assert order_of(order_slices(table, "position_xyz")) == [1, 2, 0]


def test_a_tilted_series_is_ordered_along_its_own_normal() -> None:
    tilt = np.radians(20)
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(tilt), -np.sin(tilt)])
    normal = np.cross(row, column)
    # the table moves along z while the gantry is tilted: each slice starts a little further along y
    positions = [tuple(7.0 * k * normal + 40.0 * ((-1) ** k) * column) for k in range(6)]
    slices = order_slices(files(positions, (*row, *column)), "normal")
    assert order_of(slices) == list(range(6))
    np.testing.assert_allclose(slices["normal_mm"], [7.0 * k for k in range(6)], atol=1e-9)


def test_slices_without_a_position_stand_in_order_of_instance_number() -> None:
    table = files([(np.nan, np.nan, np.nan)] * 3)
    table["instance_number"] = [3.0, 1.0, 2.0]
    assert order_of(order_slices(table, "normal")) == [1, 2, 0]


def test_two_series_in_one_folder_are_two_sequences() -> None:
    table = files([(0, 0, z) for z in (0, 0, 5, 5)])
    table["series_uid"] = ["ID_aaaaaa", "ID_bbbbbb"] * 2
    slices = order_slices(table, "normal")
    assert slices["series"].tolist() == [0, 0, 1, 1]
    assert slices["order"].tolist() == [0, 1, 0, 1]


def test_duplicate_positions_and_gaps_are_reported_where_they_are() -> None:
    slices = order_slices(files([(0, 0, z) for z in (0, 5, 5, 10, 15, 25, 30)]), "normal")
    facts = spacing_facts(slices)
    assert facts[["fact", "normal_mm"]].to_numpy().tolist() == [["duplicate", 5.0], ["gap", 25.0]]


def test_series_of_ones_own_files_stand_in_order_of_their_paths_whatever_their_pseudonyms() -> None:
    table = files([(0, 0, z) for z in (0, 0, 5, 5)])
    table["path"] = ["b/1", "a/1", "b/2", "a/2"]
    for names in (["ID_aaaaaa", "ID_bbbbbb"] * 2, ["ID_bbbbbb", "ID_aaaaaa"] * 2):
        slices = order_slices(table.assign(series_uid=names), "normal", by_name=True)
        assert slices["path"].tolist() == ["a/1", "a/2", "b/1", "b/2"]


def labelled(patients: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = files([(0, 0, z) for z in range(len(patients))])
    table["patient_id"] = patients
    labels = pd.DataFrame(0, index=table["image_id"], columns=list(CLASSES))
    return order_slices(table, "normal"), labels


@settings(max_examples=40)
@given(st.lists(st.sampled_from([f"ID_{p:06x}" for p in range(9)]), min_size=10, max_size=40))
def test_patients_are_never_split_between_folds(patients: list[str]) -> None:
    slices = add_labels_and_folds(*labelled(patients), fold_count=5)
    assert slices.groupby("patient_id")["fold"].nunique().eq(1).all()


def test_slices_without_labels_are_the_test_set_and_have_no_fold() -> None:
    slices, labels = labelled(["ID_000001"] * 3 + ["ID_000002"] * 2)
    joined = add_labels_and_folds(slices, labels.iloc[:3], fold_count=2)
    assert joined["split"].tolist() == ["train"] * 3 + ["test"] * 2
    stored = to_arrow(joined, SLICE_SCHEMA)
    assert stored["fold"].null_count == stored["any"].null_count == 2


def test_a_series_of_one_slice_is_a_series() -> None:
    slices = add_labels_and_folds(order_slices(files([(0, 0, 1.0)]), "normal"), None, fold_count=5)
    assert slices[["split", "series", "order"]].to_numpy().tolist() == [["test", 0, 0]]
