"""Folds of films: patients and copies stay together, labels and sizes are balanced, published ones are taken over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hounsfield.competitions.siim2019.folds import check_folds, folds_by_size, groups_of, published_folds
from hounsfield.competitions.siim2019.tables import ALWAYS_TRAINED, split_of
from hounsfield.core.errors import BadInput


def films(count: int = 200, patients: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    label = (np.arange(count) % 4 == 0).astype(np.int8)
    return pd.DataFrame(
        {
            "film_id": [f"f{n}" for n in range(count)],
            "patient_id": [f"p{n}" for n in rng.integers(0, patients, count)],
            "pixel_digest": [f"d{n if n % 20 else 0}" for n in range(count)],  # every twentieth is a copy of the first
            "label": label,
            "mask_share": label * rng.uniform(0.001, 0.2, count),
        }
    )


def test_patients_and_copies_are_in_one_fold_and_positives_are_spread_by_size() -> None:
    table = films()
    table["fold"] = folds_by_size(table, 5, seed=42)
    for shared in ("patient_id", "pixel_digest"):
        assert (table.groupby(shared)["fold"].agg(np.ptp) == 0).all()
    positive = table[table["label"] == 1]
    large = positive[positive["mask_share"] > positive["mask_share"].median()]
    assert positive["fold"].value_counts().reindex(range(5)).between(6, 15).all()
    assert large["fold"].nunique() == 5


def test_folds_depend_on_the_seed_and_on_nothing_else() -> None:
    table = films()
    again = folds_by_size(table.sample(frac=1, random_state=3).sort_values("film_id", ignore_index=True), 5, 42)
    assert np.array_equal(folds_by_size(table.sort_values("film_id", ignore_index=True), 5, 42), again)
    assert not np.array_equal(folds_by_size(table, 5, 42), folds_by_size(table, 5, 43))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_groups_join_what_is_linked_through_others_and_nothing_else(pairs: list[tuple[int, int]]) -> None:
    patients, digests = (pd.Series(column) for column in zip(*pairs, strict=True))
    groups = groups_of(patients, digests)
    linked = (patients.to_numpy()[:, None] == patients.to_numpy()) | (digests.to_numpy()[:, None] == digests.to_numpy())
    for _ in pairs:
        linked = linked @ linked
    assert np.array_equal(groups[:, None] == groups, linked)


PUBLISHED = b"fname,fold,exist_labels\nf0.png,0,1\nf1.png,1,0\nf2.png,stage_2,0\n"
OWN = pd.DataFrame({"film_id": ["f0", "f1", "f2", "f9"], "label": [1, 0, 0, 0]})


def test_published_folds_are_taken_over_and_stage_2_is_always_trained_on() -> None:
    assert published_folds(PUBLISHED, "t.csv", OWN, 2).tolist() == [0, 1, ALWAYS_TRAINED, -1]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (PUBLISHED.replace(b"f1.png,1,0", b"f1.png,7,0"), "f1"),
        (PUBLISHED.replace(b"f0.png,0,1", b"f0.png,0,0"), "f0"),
        (PUBLISHED + b"f1.png,1,0\n", "f1"),
        (b"fname,fold\nf0.png,0\n", "exist_labels"),
        (PUBLISHED.replace(b"f", b"g").replace(b"gname,gold", b"fname,fold"), "another data set"),
    ],
)
def test_a_table_of_folds_that_does_not_fit_is_refused(content: bytes, fact: str) -> None:
    with pytest.raises(BadInput, match=rf"t\.csv.*{fact}"):
        published_folds(content, "t.csv", OWN, 2)


def test_a_fold_without_a_positive_film_is_refused() -> None:
    check_folds(np.array([0, 1, -2]), np.array([1, 1, 0]), 2)
    with pytest.raises(BadInput, match="fold 1 has no film"):
        check_folds(np.array([0, 1, -2]), np.array([1, 0, 1]), 2)


def test_films_without_any_pneumothorax_are_not_answered_with_fewer_folds() -> None:
    with pytest.raises(BadInput, match="none of 4 films with a label shows a pneumothorax"):
        check_folds(np.array([0, 1, 0, 1]), np.zeros(4, np.int8), 2)


def test_a_film_without_a_row_is_missing_or_a_test_film_and_a_negative_only_when_asked() -> None:
    annotated, test_folder = np.array([True, False, False]), np.array([False, False, True])
    assert split_of(annotated, test_folder, negatives_without_rows=False).tolist() == ["train", "missing", "test"]
    assert split_of(annotated, test_folder, negatives_without_rows=True).tolist() == ["train", "train", "test"]
    own = np.ones(3, bool)  # no folder tells training films apart
    assert split_of(annotated, own, negatives_without_rows=False).tolist() == ["train", "test", "test"]
    assert split_of(annotated, own, negatives_without_rows=True).tolist() == ["train", "train", "train"]
