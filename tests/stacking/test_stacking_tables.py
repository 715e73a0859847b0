from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.core.storage.tables import to_arrow
from hounsfield.stacking.config import DataConfig
from hounsfield.stacking.tables import neighbour_columns, stacking_schema, stacking_slices

CONFIG = DataConfig(fold_count=4)

LEFT, RIGHT = neighbour_columns(LABELS)[:6], neighbour_columns(LABELS)[6:]


def prepared_slices(patients: int = 30, test_patients: int = 5, seed: int = 0) -> pd.DataFrame:
    """Slices as preparation sorts them: train before test, then series and order; no brain on the first slice."""
    draws = np.random.default_rng(seed)
    lengths = draws.integers(1, 8, patients + test_patients)
    series = np.repeat(np.arange(len(lengths)), lengths)
    order = np.concatenate([np.arange(length) for length in lengths])
    labels = (draws.random((len(series), 5)) < 0.2).astype(np.float64)
    labels = np.column_stack([labels, labels.max(axis=1)])
    labels[series >= patients] = np.nan
    frame = pd.DataFrame(labels, columns=list(CLASSES)).assign(
        image_id=[f"ID_{number:06x}" for number in draws.permutation(len(series))],
        split=np.where(series < patients, "train", "test"),
        series=series.astype(np.int32),
        order=order.astype(np.int32),
        patient_id=[f"ID_p{number:03d}" for number in series],
        study_uid=[f"ID_s{number:03d}" for number in series],
        brain_diff=np.where(order == 0, 60, 61).astype(np.float32),
        brain_ratio=draws.random(len(series)).astype(np.float32),
    )
    return frame.sort_values(["split", "series", "order"], ascending=[False, True, True], ignore_index=True)


def checksums(slices: pd.DataFrame) -> pd.Series:
    return pd.Series(np.arange(len(slices)) + 2**31, slices["image_id"]).sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def slices() -> pd.DataFrame:
    return prepared_slices()


@pytest.fixture(scope="module")
def table(slices: pd.DataFrame) -> pd.DataFrame:
    return to_arrow(stacking_slices(LABELS, slices, checksums(slices), CONFIG), stacking_schema(LABELS)).to_pandas()


def test_rows_stay_where_they_were(slices: pd.DataFrame, table: pd.DataFrame) -> None:
    assert table["image_id"].tolist() == slices["image_id"].tolist()
    assert table["series"].tolist() == slices["series"].tolist()


def test_only_slices_that_show_more_than_sixty_hu_have_an_image(slices: pd.DataFrame, table: pd.DataFrame) -> None:
    assert table["hu_crc32"].notna().tolist() == (slices["brain_diff"] > 60).tolist()
    shown = table[table["hu_crc32"].notna()]
    assert (shown["hu_crc32"] == checksums(slices)[shown["image_id"]].to_numpy()).all()


def test_the_position_is_the_rank_in_the_series_by_the_number_of_its_slices(table: pd.DataFrame) -> None:
    for _, series in table.groupby("series"):
        assert (series["slices_in_study"] == len(series)).all()
        assert series["position_ord"].tolist() == pytest.approx([(n + 1) / len(series) for n in range(len(series))])


def test_neighbours_are_those_of_the_same_series_that_show_brain(table: pd.DataFrame) -> None:
    at = {(row.series, row.order): row for row in table.itertuples() if row.brain_diff > 60}
    for row in table.itertuples():
        for side, step in (("left", -1), ("right", 1)):
            neighbour = at.get((row.series, row.order + step))
            found = [getattr(row, f"{side}_{name}") for name in CLASSES]
            if row.split == "test" or row.brain_diff <= 60 or neighbour is None:
                assert pd.isna(found).all()
            else:
                assert found == [getattr(neighbour, name) for name in CLASSES]


def test_a_slice_without_brain_is_passed_over_by_its_neighbours() -> None:
    slices = prepared_slices(1, 0).iloc[:1].loc[[0] * 3].reset_index(drop=True)
    slices = slices.assign(order=[0, 1, 2], brain_diff=[80.0, 60.0, 80.0], image_id=list("abc"))
    slices.loc[:, list(CLASSES)] = np.array([[0] * 6, [1] * 6, [0, 1] * 3])
    table = stacking_slices(LABELS, slices, checksums(slices), CONFIG)
    assert table.loc[0, RIGHT].tolist() == [0, 1] * 3
    assert table.loc[2, LEFT].tolist() == [0] * 6
    assert table.loc[1, [*LEFT, *RIGHT]].isna().all()


def test_a_series_with_labels_on_some_slices_only_still_has_its_neighbours_in_order() -> None:
    slices = prepared_slices(1, 0, seed=3).iloc[:1].loc[[0] * 4].reset_index(drop=True)
    slices = slices.assign(order=[0, 2, 3, 1], split=["train"] * 3 + ["test"], image_id=list("abcd"), brain_diff=80.0)
    slices.loc[:, list(CLASSES)] = np.array([[0] * 6, [1] * 6, [0, 1] * 3, [np.nan] * 6])
    table = stacking_slices(LABELS, slices, checksums(slices), CONFIG).set_index("order")
    assert table.loc[2, RIGHT].tolist() == [0, 1] * 3
    assert table.loc[3, LEFT].tolist() == [1] * 6
    assert table.loc[[0], RIGHT].isna().all(axis=None)  # the next one has no labels
    assert table.loc[[1], [*LEFT, *RIGHT, "fold"]].isna().all(axis=None)
    assert table["slices_in_study"].tolist() == [4] * 4


def test_patients_are_whole_in_their_folds_and_test_slices_have_none(table: pd.DataFrame) -> None:
    train = table["split"] == "train"
    assert table.loc[train, "fold"].isin(range(4)).all()
    assert table[train].groupby("patient_id")["fold"].nunique().eq(1).all()
    assert table.loc[~train, ["fold", *CLASSES, *LEFT, *RIGHT]].isna().all(axis=None)


def test_folds_balance_the_labels_that_the_networks_see_and_no_others(slices: pd.DataFrame) -> None:
    folds = stacking_slices(LABELS, slices, checksums(slices), CONFIG)["fold"]
    unseen = slices.copy()
    hidden = (unseen["split"] == "train") & (unseen["brain_diff"] <= 60)
    unseen.loc[hidden, list(CLASSES)] = 1.0
    assert stacking_slices(LABELS, unseen, checksums(slices), CONFIG)["fold"].equals(folds)
    seen = slices.assign(brain_diff=np.float32(80))
    assert not stacking_slices(LABELS, seen, checksums(slices), CONFIG)["fold"].equals(folds)


def test_slices_without_brain_are_in_their_patients_fold_or_as_published_in_none(slices: pd.DataFrame) -> None:
    ours = stacking_slices(LABELS, slices, checksums(slices), CONFIG)
    config = replace(CONFIG, fold_without_brain="none")
    published = stacking_slices(LABELS, slices, checksums(slices), config)
    train, shown = slices["split"] == "train", slices["brain_diff"] > 60
    assert ours["fold"].notna().equals(train)
    assert published["fold"].notna().equals(train & shown)
    assert published[train & shown].groupby("patient_id")["fold"].nunique().eq(1).all()
    seen = slices[shown].reset_index(drop=True)  # the folds are those of a data set without the other slices
    alone = stacking_slices(LABELS, seen, checksums(seen), CONFIG)
    assert alone.set_index("image_id")["fold"].equals(published[shown].set_index("image_id")["fold"])


def test_a_data_set_without_labels_has_no_folds() -> None:
    slices = prepared_slices(0, 4)
    assert stacking_slices(LABELS, slices, checksums(slices), CONFIG)["fold"].isna().all()
