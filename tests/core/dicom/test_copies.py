"""Of files that hold one slice one is used, whatever their encodings, names and order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from grouping_tables import LOSSLESS, LOSSY, flags_of, refused_of, slices, stacks_of, together, without_position
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.core.dicom.copies import natural_ranks
from hounsfield.core.dicom.series import group_files

TEN = [5.0 * n for n in range(10)]


def again(table: pd.DataFrame, start: str, **columns: object) -> pd.DataFrame:
    return table.assign(path=start + table["path"], **columns)


def test_an_export_that_lies_there_twice_is_used_once() -> None:
    table = slices(TEN)
    doubled = together(again(table, "b/"), again(table, "a/"))
    assert stacks_of(doubled) == stacks_of(again(table, "a/"))
    assert refused_of(doubled) == {f"b/s/IM{n}": "copy" for n in range(1, 11)}
    _, refused = group_files(doubled)
    assert refused["message"][0] == "the same slice as 'a/s/IM1', which is used"
    assert set(flags_of(doubled).values()) == {"copies_left_out"}


def test_a_second_export_under_new_identifiers_of_files_and_series_is_a_copy_by_its_pixels() -> None:
    table = slices(TEN)
    new = again(table, "b/", sop_number=table["sop_number"] + 10_000, series_uid="Other")
    assert list(stacks_of(together(table, new))) == ["Other"]  # the one that is named first
    assert set(refused_of(together(table, new)).values()) == {"copy"}


def test_the_longer_of_two_series_with_the_same_slices_is_kept_whole() -> None:
    whole = slices(TEN)
    part = again(whole.iloc[2:6], "a/", series_uid="Part")
    assert list(stacks_of(together(part, whole))) == ["Se"]
    assert len(refused_of(together(part, whole))) == 4


def test_a_study_exported_again_under_new_identifiers_is_a_copy_and_one_that_shares_some_slices_is_not() -> None:
    table = slices(TEN)
    new = again(table, "b/", series_uid="Other", study_uid="New", sop_number=0)
    assert refused_of(together(table, new)) == {f"s/IM{n}": "copy" for n in range(1, 11)}
    new.loc[4, "pixel_number"] = 0  # one picture of it is another one
    assert refused_of(together(table, new)) == {}


def test_eight_encodings_of_one_slice_are_one_and_the_one_without_losses_is_used() -> None:
    one = slices([0.0])
    lossless = [again(one, f"{n}/") for n in "cdefg"]
    lossy = [again(one, f"{n}/", pixel_number=n, sop_number=900 + n, transfer_syntax=LOSSY) for n in (1, 2, 3)]
    assert stacks_of(together(*lossy, *lossless)) == {"Se": ["c/s/IM1"]}
    assert len(refused_of(together(*lossy, *lossless))) == 7
    assert list(refused_of(together(*lossy))) == ["2/s/IM1", "3/s/IM1"]


def test_one_sop_uid_at_one_place_is_one_slice_and_at_several_places_several() -> None:
    table = slices([0.0, 0.0, 5.0], sop_number=7)
    assert refused_of(table) == {"s/IM2": "copy"} or refused_of(table) == {"s/IM1": "copy"}
    assert "sop_uid_repeated" in flags_of(table)["s/IM3"]


@pytest.mark.parametrize(
    "facts",
    [
        {"series_uid": ["A", "B"]},
        {"acquisition_number": [1.0, 2.0]},
        {"instance_number": [1.0, 2.0]},
        {"transfer_syntax": LOSSLESS, "instance_number": 1.0},
        {"study_uid": ["A", "B"], "patient_id": ["A", "B"], "pixel_number": 5, "instance_number": 1.0},
        {"pixel_number": 5, "flags": "constant", "transfer_syntax": LOSSLESS},
        {"pixel_number": 5, "z_mm": [0.0, 5.0]},
    ],
)
def test_what_differs_in_one_fact_is_no_copy(facts: dict[str, object]) -> None:
    assert refused_of(slices([0.0, 0.0], **{"transfer_syntax": LOSSY, **facts})) == {}


def test_files_without_a_position_are_copies_by_their_pixels_alone() -> None:
    table = without_position(slices([0.0] * 4, sop_number=3, instance_number=1.0, pixel_number=[1, 2, 1, 3]))
    assert refused_of(table) == {"s/IM3": "copy"}


@settings(max_examples=6)
@given(st.permutations(range(12)))
def test_the_choice_does_not_depend_on_the_order_of_files_nor_on_pseudonyms(order: list[int]) -> None:
    table = together(*(again(slices([0.0, 5, 10]), start) for start in "dcba"))
    table["pixel_number"] = table["sop_number"] = list(range(1, 4)) * 4
    mixed = table.iloc[order].assign(
        series_uid="X", study_uid="Y", patient_id="Z", sop_number=lambda t: t["sop_number"] * 7
    )
    assert sorted(refused_of(mixed)) == sorted(refused_of(table))
    assert all(not path.startswith("a/") for path in refused_of(table))


def test_natural_order_counts_as_people_do_and_has_no_ties() -> None:
    names = ["IM10", "IM2", "a/IM1", "IM01", "IM1", "x9y10", "x9y9"]
    ranks = natural_ranks(pd.Series(names))
    assert [names[k] for k in np.argsort(ranks)] == ["IM01", "IM1", "IM2", "IM10", "a/IM1", "x9y9", "x9y10"]


def test_where_each_file_must_be_answered_copies_are_flagged_and_kept() -> None:
    table = slices(TEN)
    doubled = together(again(table, "b/"), again(table.iloc[:1], "a/"))
    kept, refused = group_files(doubled, keep_copies=True)
    assert refused.empty
    assert kept.loc[kept["flags"].str.contains("copies_kept"), "path"].tolist() == ["b/s/IM1", "a/s/IM1"]
