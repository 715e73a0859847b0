"""Identifiers that contradict each other or the geometry: joined, split, placed, or refused, and flagged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from grouping_tables import (
    CORONAL,
    MIRRORED,
    SAGITTAL,
    flags_of,
    refused_of,
    slices,
    stacks_of,
    tilted,
    together,
    without_position,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.core.dicom.series import group_files, joined_patients, not_axial

TEN = [5.0 * n for n in range(10)]
NAMELESS = {"flags": "series_uid_missing", "frame_of_reference": "", "acquisition_number": np.nan}


def renamed(table: pd.DataFrame, start: str) -> pd.DataFrame:
    return table.assign(path=[f"{start}{n}" for n in range(1, len(table) + 1)])


@pytest.mark.parametrize("rule", ["plain", "tilted", "mirrored", "step by step", "wandering", "no orientation"])
def test_one_plain_series_stays_one_stack_without_a_flag(rule: str) -> None:
    table = {
        "plain": slices(TEN),
        "tilted": slices(TEN, tilted(25)),
        "mirrored": slices(TEN, MIRRORED),
        "step by step": slices(TEN, acquisition_number=np.repeat(np.arange(5.0), 2)),
        "wandering": slices(TEN, x_mm=np.linspace(-121, -119, 10), row_spacing_mm=np.linspace(0.4990, 0.5010, 10)),
        "no orientation": slices(TEN, (np.nan,) * 6),
    }[rule]
    assert list(stacks_of(table)) == ["Se"]
    assert set(flags_of(table).values()) == {""}
    assert stacks_of(table)["Se"] == [f"s/IM{n}" for n in range(1, 11)]


def test_a_real_head_whose_spacing_changes_is_one_stack() -> None:
    places = [4.2 * n for n in range(14)] + [60.5 + 7.38 * n for n in range(13)]
    acquisitions = [*range(1, 15), *np.repeat(np.arange(15, 22), 2)[:13]]
    assert list(stacks_of(slices(places, tilted(18.5), acquisition_number=np.array(acquisitions, float)))) == ["Se"]


@pytest.mark.parametrize("orientation", [CORONAL, SAGITTAL])
def test_reformats_are_refused_by_name_and_leave_the_axial_stack_as_it_is(orientation: tuple[float, ...]) -> None:
    table = together(slices(TEN), renamed(slices([0, 1, 2], orientation), "mpr"))
    assert refused_of(table) == dict.fromkeys(["mpr1", "mpr2", "mpr3"], "not_axial")
    assert stacks_of(table) == stacks_of(slices(TEN))


def test_a_tilted_gantry_is_axial_and_an_unknown_orientation_is_not_refused() -> None:
    assert not not_axial(together(slices([0], tilted(30)), slices([0], (np.nan,) * 6))).any()


@pytest.mark.parametrize(
    "other",
    [
        {"frame_of_reference": "G"},
        {"rows": 256, "columns": 256},
        {"row_spacing_mm": 0.45, "column_spacing_mm": 0.45},
        {"acquisition_number": 2.0},
        {"z_mm": np.array(TEN) + 700},
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_two_stacks_in_one_series_are_told_apart_by_any_one_fact(other: dict[str, object], named: bool) -> None:
    common = {} if named else {"flags": "series_uid_missing"}
    table = together(slices(TEN, **common), renamed(slices(TEN, **{**common, **other}), "t"))
    stacks = stacks_of(table)
    assert list(stacks) == ["Se", "Se-2"]
    assert stacks["Se"] == [f"s/IM{n}" for n in range(1, 11)]
    assert stacks["Se-2"] == [f"t{n}" for n in range(1, 11)]
    assert all("series_split" in flags for flags in flags_of(table).values())


def test_another_tilt_is_another_stack() -> None:
    table = together(slices(TEN), renamed(slices(TEN, tilted(12)), "t"))
    assert list(stacks_of(table)) == ["Se", "Se-2"]


def test_slices_side_by_side_of_two_acquisitions_are_two_stacks_and_one_that_was_taken_again_is_put_aside() -> None:
    between = together(slices(TEN), renamed(slices([z + 2 for z in TEN], acquisition_number=2.0), "t"))
    assert [len(paths) for paths in stacks_of(between).values()] == [10, 10]
    steps = slices(TEN, acquisition_number=np.arange(10.0))
    again = together(steps, renamed(slices([15.0], acquisition_number=10.0), "again"))
    assert stacks_of(again) == {"Se": [f"s/IM{n}" for n in range(1, 11)], "Se-2": ["again1"]}


def test_two_phases_without_acquisition_numbers_follow_their_instance_numbers() -> None:
    table = slices(TEN * 2, acquisition_number=np.nan).sample(frac=1, random_state=1)
    assert stacks_of(table) == {
        "Se": [f"s/IM{n}" for n in range(1, 11)],
        "Se-2": [f"s/IM{n}" for n in range(11, 21)],
    }


def test_one_place_taken_twice_and_a_few_lost_slices_do_not_part_a_series() -> None:
    table = slices([0, 5, 5, 10, 15, 35, 40])
    assert list(stacks_of(table)) == ["Se"]
    assert set(flags_of(table).values()) == {""}


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_nameless_slices_of_two_studies_that_cannot_be_told_apart_are_refused_with_the_reason(shift: float) -> None:
    table = together(slices(TEN, **NAMELESS), renamed(slices([z + shift for z in TEN], **NAMELESS), "t"))
    _, refused = group_files(table)
    assert set(refused["reason"]) == {"series_merged"}
    assert len(refused) == 20
    assert refused["message"].str.contains("put each into a folder of its own").all()


def test_nameless_slices_of_one_study_are_one_stack_also_with_a_gap() -> None:
    assert refused_of(slices([z for z in TEN if z not in (15, 20)], **NAMELESS)) == {}


@settings(max_examples=4)
@given(st.permutations(range(10)))
def test_a_new_series_on_every_slice_is_one_series_whatever_the_order_of_files(order: list[int]) -> None:
    table = slices(TEN, series_uid=[f"U{(n * 7) % 10}" for n in range(10)]).iloc[order]
    for frames in ("F", [f"F{n}" for n in order]):
        assert stacks_of(table.assign(frame_of_reference=frames)) == {"U0": [f"s/IM{n}" for n in range(1, 11)]}
    assert set(flags_of(table).values()) == {"series_joined"}


def test_two_series_of_one_slice_stay_two() -> None:
    assert len(stacks_of(slices([0, 5], series_uid=["A", "B"]))) == 2


def test_one_study_under_two_patients_is_one_patient_and_its_series_is_not_cut() -> None:
    table = slices(TEN, patient_id=["MRN"] * 4 + ["A"] * 6)
    kept, _ = group_files(table)
    assert set(kept["patient_id"]) == {"MRN"}  # whose file comes first by name
    assert list(stacks_of(table)) == ["Se"]
    assert set(flags_of(table).values()) == {"patients_joined"}


def test_patients_are_joined_through_others_and_only_by_a_study_that_is_there() -> None:
    table = slices([0] * 5, patient_id=["E", "B", "B", "C", "D"], study_uid=["1", "1", "2", "2", "3"])
    assert joined_patients(table).tolist() == ["E", "E", "E", "E", "D"]
    assert joined_patients(table.iloc[::-1]).tolist() == ["D", "E", "E", "E", "E"]
    assert joined_patients(table.assign(flags="study_uid_missing")).tolist() == ["E", "B", "B", "C", "D"]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=25))
def test_no_study_is_of_two_patients_and_no_patient_of_two_joined_ones(pairs: list[tuple[int, int]]) -> None:
    table = slices([0.0] * len(pairs), patient_id=[f"P{p}" for p, _ in pairs], study_uid=[f"S{s}" for _, s in pairs])
    joined = joined_patients(table)
    assert joined.groupby(table["study_uid"]).nunique().eq(1).all()
    assert joined.groupby(table["patient_id"]).nunique().eq(1).all()
    assert set(joined) <= set(table["patient_id"])


@pytest.mark.parametrize("by", ["slice_location_mm", "instance_number", "name"])
def test_one_slice_without_a_position_is_put_where_it_belongs(by: str) -> None:
    table = without_position(slices(TEN), 6)
    if by == "slice_location_mm":
        table["slice_location_mm"] = -np.array(TEN) - 3
        table["instance_number"] = 1.0
    if by == "name":
        table["instance_number"] = np.nan
    kept, _ = group_files(table)
    assert stacks_of(table)["Se"] == [f"s/IM{n}" for n in range(1, 11)]
    assert kept.loc[6, "normal_mm"] == pytest.approx(30.0)
    assert flags_of(table) == {f"s/IM{n}": "position_guessed" if n == 7 else "" for n in range(1, 11)}


def test_a_slice_without_a_position_that_nothing_places_stands_last_and_is_flagged() -> None:
    table = without_position(slices(TEN, instance_number=1.0, path=[f"{(n * 3) % 10}" for n in range(10)]), 6)
    assert stacks_of(table)["Se"][-1] == "8"
    assert flags_of(table)["8"] == "order_guessed"


@pytest.mark.parametrize("by", ["slice_location_mm", "instance_number", "name"])
def test_without_any_position_the_order_is_that_of_location_number_or_natural_name_and_flagged(by: str) -> None:
    table = without_position(slices(TEN, instance_number=np.nan)).sample(frac=1, random_state=2)
    expected = [f"s/IM{n}" for n in range(1, 11)]
    if by == "slice_location_mm":
        table["slice_location_mm"] = [-float(path[4:]) for path in table["path"]]
        expected = expected[::-1]
    if by == "instance_number":
        table["instance_number"] = [-float(path[4:]) for path in table["path"]]
        expected = expected[::-1]
    assert stacks_of(table)["Se"] == expected
    assert set(flags_of(table).values()) == {"order_guessed"}
