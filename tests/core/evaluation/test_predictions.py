from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from label_sets import SLICES, STUDIES

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.evaluation.predictions import (
    OUT_OF_FOLD,
    TEST,
    Rows,
    mean_of_tables,
    prediction_schema,
    prediction_table,
    read_predictions,
    write_predictions,
)

REMEDY = "sh bin/run_14_trainfull_sequential.sh"


def table(**changed):
    probabilities = np.tile([[0.1], [0.9]], len(SLICES.names))
    return prediction_table(SLICES, np.array(["ID_a", "ID_b"]), np.array([OUT_OF_FOLD, TEST]), probabilities).assign(
        **changed
    )


def test_predictions_read_back_as_they_were_written(tmp_path):
    path = tmp_path / "predictions.parquet"
    with pytest.raises(MissingInput, match=rf"predictions\.parquet is missing.*{REMEDY}"):
        read_predictions(path, SLICES, remedy=REMEDY)
    write_predictions(path, SLICES, table())
    frame = read_predictions(path, SLICES, remedy=REMEDY)
    pd.testing.assert_frame_equal(frame[list(SLICES.names)], table()[list(SLICES.names)])
    assert list(frame["image_id"]) == ["ID_a", "ID_b"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1])
def test_what_is_no_probability_is_refused_before_it_is_written(tmp_path, value):
    path = tmp_path / "a.parquet"
    with pytest.raises(BadInput, match=r"a\.parquet: 1 .*probabilities.* ID_b"):
        write_predictions(path, SLICES, table(left=[0.5, value]))
    assert not path.exists()


def test_an_image_that_occurs_twice_and_an_unknown_split_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"a\.parquet: 1 .*twice"):
        write_predictions(tmp_path / "a.parquet", SLICES, table(image_id=["ID_a", "ID_a"]))
    with pytest.raises(BadInput, match=r"a\.parquet: .*'train'"):
        write_predictions(tmp_path / "a.parquet", SLICES, table(split=["train", TEST]))


def test_an_empty_table_is_a_table(tmp_path):
    write_predictions(tmp_path / "a.parquet", SLICES, table().iloc[:0])
    assert read_predictions(tmp_path / "a.parquet", SLICES, remedy=REMEDY).empty


def test_the_columns_are_those_of_the_label_set(tmp_path):
    frame = prediction_table(STUDIES, np.array(["s1"]), np.array([TEST]), np.array([[0.25, 0.5]]))
    write_predictions(tmp_path / "a.parquet", STUDIES, frame)
    read = read_predictions(tmp_path / "a.parquet", STUDIES, remedy=REMEDY)
    assert read.to_dict("records") == [{"study_uid": "s1", "split": "test", "fracture": 0.25, "overall": 0.5}]
    assert read.columns.tolist() == prediction_schema(STUDIES).names
    with pytest.raises(BadInput, match=r"a\.parquet"):
        read_predictions(tmp_path / "a.parquet", SLICES, remedy=REMEDY)


ROWS = Rows(np.array(["a", "b", "c", "d"]), np.array([False, False, False, True]))
FOLDS = {"one.parquet": [0, 3], "two.parquet": [1, 3]}  # of each table the rows that it should hold; c is in no fold


def two_tables(folder):
    """Both tables; the values of a row are its number and, in the second, a half more, all over 10."""
    for number, (name, rows) in enumerate(FOLDS.items()):
        split = np.where(ROWS.is_test[rows], TEST, OUT_OF_FOLD)
        values = np.tile((np.array(rows) + 0.5 * number)[:, np.newaxis] / 10, len(STUDIES.names))
        write_predictions(folder / name, STUDIES, prediction_table(STUDIES, ROWS.ids[rows], split, values))
    return [(folder / name, np.array(rows)) for name, rows in FOLDS.items()]


def test_a_rows_mean_is_over_the_tables_that_hold_it(tmp_path):
    mean = mean_of_tables(STUDIES, two_tables(tmp_path), ROWS, remedy=REMEDY)
    assert mean.shape == (4, 2)
    assert mean[:, 0] == pytest.approx([0, 0.15, np.nan, 0.325], nan_ok=True)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda frame: frame.iloc[1:], r"1 row is missing here \(b\)\."),
        (lambda frame: frame.assign(study_uid=["c", "d"]), r"\(b\); 1 row should not be here \(c\); 0 are not in the"),
        (
            lambda frame: frame.assign(study_uid=["b", "x"]),
            r"1 row should not be here \(x\); 1 are not in the data set",
        ),
        (lambda frame: frame.iloc[::-1], "not in the order of the data set"),
        (lambda frame: frame.assign(split=TEST), "its test rows are not those of the data set"),
    ],
)
def test_a_table_of_other_rows_is_refused_with_the_first_of_them(tmp_path, change, fact):
    tables = two_tables(tmp_path)
    path = tables[1][0]
    write_predictions(path, STUDIES, change(read_predictions(path, STUDIES, remedy=REMEDY)))
    with pytest.raises(BadInput, match=rf"two\.parquet: .*{fact}.*{REMEDY} --force"):
        mean_of_tables(STUDIES, tables, ROWS, remedy=REMEDY)
