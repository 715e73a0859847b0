from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.core.errors import BadInput
from hounsfield.core.folds.own_data import fold_table, folds_of_own_data

SOURCE = {"source": "labels.csv", "option": "--prepare.fold_count"}


def labelled(positives: dict[str, list[int]], patients: int = 12, slices: int = 4) -> tuple[pd.Series, pd.DataFrame]:
    """Each patient's second slice is positive of the classes that name the patient."""
    known_by = pd.Series(np.repeat([f"{patient:012x}" for patient in range(patients)], slices))
    labels = pd.DataFrame(0.0, known_by.index, list(positives))
    for name, shown in positives.items():
        labels.loc[[patient * slices + 1 for patient in shown], name] = 1.0
    return known_by, labels


def test_every_fold_holds_whole_patients_and_positives_of_every_class() -> None:
    patients, labels = labelled({"rare": [0, 1, 2], "common": list(range(8))})
    folds = folds_of_own_data(patients, labels, 3, **SOURCE)
    assert pd.DataFrame({"fold": folds, "patient": patients}).drop_duplicates()["patient"].is_unique
    assert [labels[folds == fold]["rare"].sum() for fold in range(3)] == [1, 1, 1]
    assert min(labels[folds == fold]["common"].sum() for fold in range(3)) >= 1


@given(st.permutations(range(48)))
def test_folds_do_not_depend_on_the_order_of_slices(order: list[int]) -> None:
    patients, labels = labelled({"rare": [0, 5, 7], "common": list(range(3, 12))})
    shuffled = folds_of_own_data(patients.iloc[order], labels.iloc[order], 3, **SOURCE)
    assert shuffled.tolist() == folds_of_own_data(patients, labels, 3, **SOURCE)[order].tolist()


def test_too_few_positives_are_refused_with_the_largest_number_of_folds_that_works() -> None:
    with pytest.raises(
        BadInput, match=r"labels\.csv: 5 folds .*rare in 3 .* that works is 3: --prepare\.fold_count 3 --force$"
    ):
        folds_of_own_data(*labelled({"rare": [0, 1, 2], "common": list(range(12))}), 5, **SOURCE)


def test_too_few_patients_are_refused_in_the_same_way() -> None:
    with pytest.raises(BadInput, match=r"4 labelled patients.*--prepare\.fold_count 4"):
        folds_of_own_data(*labelled({"one": [0, 1, 2, 3]}, patients=4), 5, **SOURCE)


def test_a_class_of_one_patient_can_be_in_no_fold_and_is_named() -> None:
    with pytest.raises(BadInput, match=r"rare in 1 .* no smaller number works .* --classes"):
        folds_of_own_data(*labelled({"rare": [4], "common": list(range(12))}), 2, **SOURCE)


def test_a_class_without_positives_and_unknown_labels_do_not_count() -> None:
    patients, labels = labelled({"none": [], "common": list(range(12))})
    labels.loc[::3, "common"] = np.nan
    assert set(folds_of_own_data(patients, labels, 3, **SOURCE)) == {0, 1, 2}


def test_the_table_counts_patients_slices_and_positives_of_each_fold() -> None:
    patients, labels = labelled({"rare": [0, 1]}, patients=4)
    text = fold_table(np.repeat([0, 1, 0, 1], 4).astype(np.int8), patients, labels)
    assert [line.split() for line in text.splitlines()] == [
        ["fold", "patients", "slices", "rare"], ["0", "2", "8", "1"], ["1", "2", "8", "1"]
    ]  # fmt: skip
