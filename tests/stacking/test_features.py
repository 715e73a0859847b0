"""Features of the second level: against the plain loop on random studies, and what a study's ends look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import BadInput
from hounsfield.stacking.features import class_features, feature_names, index_studies
from reference.second_level_features import plain_features

NAMES = feature_names(9, CLASSES)


def studies_of(lengths: list[int], seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Slices of studies of these lengths, and predictions (N, 6)."""
    rng = np.random.default_rng(seed)
    count = sum(lengths)
    numbers = rng.choice(10 * len(lengths), len(lengths), replace=False)  # series need not count upwards
    order = np.concatenate([np.arange(length) for length in lengths])
    size = np.repeat(lengths, lengths)
    slices = pd.DataFrame(
        {
            "image_id": [f"ID_{row}" for row in range(count)],
            "series": np.repeat(numbers, lengths).astype(np.int32),
            "order": order.astype(np.int32),
            "slices_in_study": size.astype(np.int32),
            "position_ord": ((order + 1) / size).astype(np.float32),
            "brain_ratio": rng.random(count, np.float32),
        }
    )
    return slices, rng.random((count, 6))


def features_of(
    slices: pd.DataFrame, predictions: np.ndarray, name: str, neighbours: int = 9, **published: Any
) -> pd.DataFrame:
    studies = index_studies(slices, "slices.parquet")
    table = class_features(predictions, CLASSES.index(name), studies, neighbours, **published)
    return pd.DataFrame(table, columns=feature_names(neighbours, CLASSES))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 9), st.sampled_from(CLASSES))
@settings(max_examples=60, deadline=None)
def test_features_of_any_studies_are_those_of_the_plain_loop(lengths, seed, name) -> None:
    slices, predictions = studies_of(lengths, seed)
    rows = slices.assign(**dict(zip(CLASSES, predictions.T, strict=True))).to_dict("records")
    expected = plain_features(rows, name)
    found = features_of(slices, predictions, name)
    assert list(found.columns) == list(expected.columns)
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


def test_there_are_28_features_and_they_are_float32() -> None:
    slices, predictions = studies_of([5])
    table = class_features(predictions, 0, index_studies(slices, ""), 9)
    assert (table.shape, table.dtype, len(set(NAMES))) == ((5, 28), np.float32, 28)


def test_the_studys_mean_is_that_of_the_class_and_not_that_of_the_last_class_as_published() -> None:
    slices, predictions = studies_of([4, 7])
    for c, name in enumerate(CLASSES):
        means = features_of(slices, predictions, name)["study_mean"].to_numpy()
        np.testing.assert_allclose(means[[0, 4]], [predictions[:4, c].mean(), predictions[4:, c].mean()], rtol=1e-6)


def test_the_published_mean_is_that_of_the_last_class_in_its_order_for_every_class() -> None:
    slices, predictions = studies_of([4, 7])
    for name in CLASSES:
        found = features_of(slices, predictions, name, mean_of=CLASSES.index("intraparenchymal"))
        last = predictions[:, CLASSES.index("intraparenchymal")]
        np.testing.assert_allclose(found["study_mean"].iloc[[0, 4]], [last[:4].mean(), last[4:].mean()], rtol=1e-6)
        expected = features_of(slices, predictions, name)
        pd.testing.assert_frame_equal(found.drop(columns="study_mean"), expected.drop(columns="study_mean"))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 9), st.sampled_from(CLASSES))
@settings(max_examples=40, deadline=None)
def test_wrapped_neighbours_before_the_first_slice_come_from_the_studys_end(lengths, seed, name) -> None:
    slices, predictions = studies_of(lengths, seed)
    found = features_of(slices, predictions, name, before_first="wrapped")
    expected = features_of(slices, predictions, name)
    before = [expected.columns.get_loc(f"before_{distance}") for distance in range(1, 10)]
    values = expected.to_numpy(copy=True)
    row = 0
    for length in lengths:
        study = list(predictions[row : row + length, CLASSES.index(name)])
        for place in range(length):
            for distance in range(1, 10):
                at = place - distance  # Python counts what is below 0 from the end, as the published code does
                values[row + place, before[distance - 1]] = study[at] if at >= -length else np.nan
        row += length
    np.testing.assert_array_equal(found.to_numpy(), values)


def test_a_study_of_three_slices_wraps_round_once() -> None:
    slices, predictions = studies_of([3])
    predictions[:, 5] = [0.1, 0.2, 0.3]
    found = features_of(slices, predictions, "any", 4, before_first="wrapped")
    missing = np.nan
    np.testing.assert_allclose(  # before_4, 3, 2, 1, then after_1, 2, 3, 4
        found.iloc[:, :8],
        [
            [missing, 0.1, 0.2, 0.3, 0.2, 0.3, missing, missing],
            [0.1, 0.2, 0.3, 0.1, 0.3, missing, missing, missing],
            [0.2, 0.3, 0.1, 0.2, missing, missing, missing, missing],
        ],
        rtol=1e-6,
    )


def test_a_study_of_one_slice_has_no_neighbours_and_is_its_own_mean() -> None:
    slices, predictions = studies_of([3, 1, 3])
    alone = features_of(slices, predictions, "any").iloc[3]
    assert alone.filter(regex="before|after").isna().all()
    assert alone["study_mean"] == alone["any"] == np.float32(predictions[3, 5])
    assert (alone["slices_in_study"], alone["position_ord"]) == (1, 1)


def test_no_prediction_reaches_into_another_study() -> None:
    slices, predictions = studies_of([12, 5, 30])
    before = features_of(slices, predictions, "subdural")
    predictions[12:17] += 1
    after = features_of(slices, predictions, "subdural")
    others = np.r_[:12, 17:47]
    pd.testing.assert_frame_equal(before.iloc[others], after.iloc[others])


def test_the_number_of_neighbours_is_a_setting() -> None:
    slices, predictions = studies_of([4])
    assert list(features_of(slices, predictions, "any", 1).columns[:2]) == ["before_1", "after_1"]
    assert features_of(slices, predictions, "any", 0).shape == (4, 10)


def test_no_slices_have_no_features() -> None:
    slices, predictions = studies_of([2])
    assert features_of(slices.iloc[:0], predictions[:0], "any").shape == (0, 28)


@pytest.mark.parametrize(
    ("rows", "changed", "fact"),
    [
        ([1, 0, 2, 3, 4], {}, "do not stand together"),
        ([0, 1, 3, 4, 2], {}, "do not stand together"),
        ([0, 1, 2, 3, 4], {"slices_in_study": 9}, "slices_in_study is not the number"),
        ([0, 1, 2, 3, 4], {"brain_ratio": np.nan}, "5 slices have no position_ord or brain_ratio"),
    ],
)
def test_a_table_that_is_not_in_order_is_refused_by_name(rows, changed, fact) -> None:
    slices, _ = studies_of([3, 2])
    with pytest.raises(BadInput, match=rf"^of_stage_41\.parquet: .*{fact}"):
        index_studies(slices.iloc[rows].assign(**changed), "of_stage_41.parquet")
