from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.folds import fold_by_first_row


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(2, 8))
def test_no_patient_is_in_two_folds(patients: list[int], count: int) -> None:
    folds = fold_by_first_row(pd.Series([f"ID_{p}" for p in patients]), np.arange(len(patients)), count)
    assert pd.Series(folds).groupby(np.array(patients)).nunique().eq(1).all()


def test_a_patients_fold_is_the_row_number_of_its_first_slice_modulo_five() -> None:
    patients = pd.Series(["a", "b", "a", "c", "d", "b", "e", "f", "a"])
    assert fold_by_first_row(patients, np.arange(9), 5).tolist() == [0, 1, 0, 3, 4, 1, 1, 2, 0]


def test_a_file_that_cannot_be_read_changes_no_other_patients_fold() -> None:
    patients = pd.Series(["a", "b", "a", "c", "d"])
    whole = fold_by_first_row(patients, np.arange(5), 5)
    without_b = fold_by_first_row(patients.drop(1), np.array([0, 2, 3, 4]), 5)
    assert without_b.tolist() == whole[[0, 2, 3, 4]].tolist()
