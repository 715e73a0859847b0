"""Which slices are a study's volume, from head to feet whatever files are called, and what is odd about a study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.dicom.grouping_tables import SAGITTAL, slices, tilted, together, without_position
from hounsfield.competitions.rsna2022.reason_codes import REFUSALS, STUDY_FLAGS
from hounsfield.competitions.rsna2022.stacks import study_flags, usual_step, volume_slices, z_direction

FALLING = np.arange(10) * -2.0 + 50  # from head to feet


def study(places: np.ndarray, *, numbers: list[int] | None = None, **columns: Any) -> pd.DataFrame:
    """A study whose files are named by their numbers."""
    numbers = list(range(1, len(places) + 1)) if numbers is None else numbers
    paths = [f"train_images/1.2/{number}.dcm" for number in numbers]
    return slices(list(places), **{"path": paths, "instance_number": np.array(numbers, float), **columns})


def reasons(refused: pd.DataFrame) -> dict[str, int]:
    return refused["reason"].value_counts().to_dict()


@pytest.mark.parametrize("direction", [1, -1])
def test_slices_run_from_head_to_feet_whichever_way_the_files_numbers_run(direction: int) -> None:
    """The acceptance check, and defect 32: the order of names decides nothing."""
    numbers = list(range(1, 11)) if direction < 0 else list(range(10, 0, -1))
    used, refused = volume_slices(study(FALLING, numbers=numbers))
    assert used["z_mm"].tolist() == FALLING.tolist()
    assert used["slice"].tolist() == list(range(10))
    assert used["slice_number"].tolist() == numbers
    assert z_direction(used["slice_number"].to_numpy(), used["z_mm"].to_numpy()) == direction
    assert refused.empty


def test_a_tilted_gantrys_slices_run_along_their_normal() -> None:
    used, _ = volume_slices(study(FALLING, orientation=tilted(20)))
    assert used["z_mm"].is_monotonic_decreasing
    assert usual_step(used["z_mm"].to_numpy()) == pytest.approx(2 * np.cos(np.radians(20)))


def test_the_largest_of_two_series_in_one_folder_is_the_volume_and_the_others_slices_are_listed() -> None:
    other = study(FALLING[:4] + 0.5, numbers=[21, 22, 23, 24], series_uid="other")
    used, refused = volume_slices(together(study(FALLING), other))
    assert len(used) == 10
    assert used["has_others"].all()
    assert reasons(refused) == {"other_series": 4}
    assert set(refused["path"]) == set(other["path"])


def test_a_sagittal_reformat_is_kept_out_of_the_volume_however_large() -> None:
    reformat = study(np.arange(30.0), numbers=list(range(51, 81)), orientation=SAGITTAL, series_uid="other")
    used, refused = volume_slices(together(study(FALLING), reformat))
    assert len(used) == 10
    assert reasons(refused) == {"not_axial": 30}


def test_a_slice_of_another_size_than_most_of_its_series_is_refused() -> None:
    odd = study(FALLING).assign(rows=[512] * 9 + [256])
    used, refused = volume_slices(odd)
    assert (len(used), reasons(refused)) == (9, {"other_size": 1})


def test_a_copy_of_a_slice_is_left_out_and_a_study_that_copies_another_is_answered_itself() -> None:
    one = study(FALLING)
    again = one.assign(path=one["path"].str.replace("1.2", "1.3"), study_uid="other")
    same = one.iloc[[3]].assign(path="train_images/1.2/33.dcm")
    used, refused = volume_slices(together(one, again, same))
    assert used.groupby("study_uid").size().tolist() == [10, 10]
    assert reasons(refused) == {"copy": 1}


def test_two_patients_of_one_study_are_one() -> None:
    mixed = study(FALLING, patient_id=["A"] * 5 + ["B"] * 5)
    used, _ = volume_slices(together(mixed, study(FALLING, study_uid="other", patient_id="B", series_uid="other")))
    assert set(used["patient_id"]) == {"A"}
    assert set(used["header_patient"]) == {"A", "B"}


def test_without_positions_slices_stand_in_order_of_their_numbers_and_the_study_says_so() -> None:
    numbers = [3, 1, 2, 10]
    used, _ = volume_slices(without_position(study(FALLING[:4], numbers=numbers)))
    assert used["slice_number"].tolist() == [1, 2, 3, 10]
    assert used["z_mm"].isna().all()
    assert study_flags(used["z_mm"].to_numpy(), used["flags"]) == ["few_slices", "order_guessed"]
    assert z_direction(used["slice_number"].to_numpy(), used["z_mm"].to_numpy()) == 0


def test_a_files_number_is_its_name_or_else_its_instance_number_or_else_its_place() -> None:
    named = study(FALLING[:3])
    used, _ = volume_slices(named.assign(path=["a/IM1", "a/IM2", "a/IM3"], instance_number=[7.0, 8, 9]))
    assert used["slice_number"].tolist() == [7, 8, 9]
    used, _ = volume_slices(named.assign(path=["a/IM1", "a/IM2", "a/IM3"], instance_number=[7.0, 7, np.nan]))
    assert used["slice_number"].tolist() == [1, 2, 3]


ODD = {
    "one_slice": FALLING[:1],
    "few_slices": FALLING,
    "thick_slices": np.arange(100) * -5.0,
    "slice_missing": np.delete(np.arange(101) * -1.0, 40),
    "positions_repeated": np.insert(np.arange(100) * -1.0, 40, -40.0),
    "mixed_spacing": np.concatenate([np.arange(60) * -1.0, -62 - np.arange(40) * 3.0]),
}


@pytest.mark.parametrize("flag", ODD)
def test_each_odd_study_has_its_own_flag(flag: str) -> None:
    assert study_flags(ODD[flag], pd.Series([""] * len(ODD[flag]))) == [flag]


def test_a_study_of_even_thin_slices_has_no_flag_and_one_of_air_alone_has() -> None:
    places = np.arange(100) * -0.5
    assert study_flags(places, pd.Series([""] * 100)) == []
    assert study_flags(places, pd.Series(["no_tissue"] * 99 + [""])) == []
    assert study_flags(places, pd.Series(["no_tissue"] * 99 + ["constant"])) == ["all_air"]


def test_every_flag_is_explained_and_every_refusal_listed() -> None:
    given = {*ODD, "order_guessed", "position_guessed", "all_air", "other_series_left_out"}
    assert given | {"segmentation_resampled", "segmentation_empty"} == set(STUDY_FLAGS)
    assert {"other_series", "other_size"} < set(REFUSALS)
