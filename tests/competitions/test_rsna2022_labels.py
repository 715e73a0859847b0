"""The table of fractures, folds of our own and published ones: what they say, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2022.folds import check_folds, folds_by_fracture, published_folds, read_folds
from hounsfield.competitions.rsna2022.label_table import read_study_labels
from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.competitions.rsna2022.preparation import STUDIES_AS_NAMED
from hounsfield.core.errors import BadInput
from hounsfield.core.intake.pseudonyms import Naming
from hounsfield.core.logs import logger
from neck_files import fractured, labels_csv


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger, "propagate", True)


def read(text: str, *, any_overall: bool = False, naming: Naming = STUDIES_AS_NAMED) -> pd.DataFrame:
    return read_study_labels(text.encode(), "train.csv", naming, any_overall=any_overall)


def test_labels_are_read_by_study_and_one_s_own_under_the_data_set_s_pseudonyms() -> None:
    text = labels_csv({"1.2.3": fractured("C2", "C7"), "1.2.4": fractured()})
    assert read(text).loc["1.2.3", list(NAMES)].tolist() == [1, 0, 1, 0, 0, 0, 0, 1]
    assert read(text)["line"].tolist() == [2, 3]
    naming = Naming(b"key")
    assert set(read(text, naming=naming).index) == {naming.pseudonym("1.2.3"), naming.pseudonym("1.2.4")}


@pytest.mark.parametrize("row", [[0, 0, 1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]], ids=["below", "above"])
def test_an_overall_that_is_not_the_maximum_is_refused_unless_told(
    row: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    text = labels_csv({"1.2.3": fractured("C1"), "1.2.4": row})
    with pytest.raises(BadInput, match=r"1 row has a patient_overall .* line 3\..*--prepare\.any_overall true"):
        read(text)
    with caplog.at_level(logging.WARNING):
        assert read(text, any_overall=True).loc["1.2.4", list(NAMES)].tolist() == row
    assert "taken as they are" in caplog.text


@pytest.mark.parametrize("value", [2, 0.5])
def test_a_value_that_is_no_label_is_refused_without_options_that_the_stage_lacks(value: float) -> None:
    with pytest.raises(BadInput, match=r"1 value of C2 .* line 2\.") as refused:
        read(labels_csv({"1.2.3": [1, 0, value, 1, 0, 0, 0, 0]}))
    assert "--" not in str(refused.value)


def test_a_blank_or_nan_label_is_unknown_and_not_held_against_the_others(caplog: pytest.LogCaptureFixture) -> None:
    rows = {"1.2.3": [1, "", 0, 0, 0, 0, 0, "NaN"], "1.2.4": ["", 0, 1, 0, 0, 0, 0, 0]}
    labels = read(labels_csv(rows))
    assert labels.loc["1.2.3", list(NAMES)].isna().tolist() == [False, True, *[False] * 5, True]
    assert np.isnan(labels.loc["1.2.4", "patient_overall"])
    assert "blank labels: 3" in caplog.text


def test_a_study_named_twice_counts_once_and_is_refused_where_its_rows_contradict_each_other() -> None:
    text = labels_csv({"1.2.3": fractured("C1"), "1.2.4": fractured()})
    assert len(read(text + text.splitlines()[1])) == 2
    with pytest.raises(BadInput, match="contradict others"):
        read(text + text.splitlines()[1].replace(",1,1,", ",1,0,").replace(",0,0\n", ",0,1\n")[:-1] + "1")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("StudyInstanceUID,patient_overall\n1.2,1\n", "no column C1"),
        (labels_csv({"1.2": fractured("C1")}).replace("StudyInstanceUID", "image"), "labels by file"),
        (labels_csv({"1.2": [2, 1, 0, 0, 0, 0, 0, 0]}), "no label"),
        (labels_csv({"1.2": [1, 0.5, 0, 0, 0, 0, 0, 0]}), "between 0 and 1"),
    ],
    ids=["columns", "by file", "not a label", "a probability"],
)
def test_a_table_that_cannot_be_meant_is_refused(text: str, fact: str) -> None:
    with pytest.raises(BadInput, match=fact):
        read(text)


def many(count: int) -> tuple[pd.Series, pd.DataFrame]:
    """Two studies of each of `count` patients, a third of which are fractured."""
    rng = np.random.default_rng(3)
    rows = [fractured(f"C{rng.integers(1, 8)}") if rng.random() < 1 / 3 else fractured() for _ in range(2 * count)]
    patients = pd.Series([f"{n // 2:03d}" for n in range(2 * count)])
    return patients, pd.DataFrame(rows, columns=list(NAMES), dtype=float)


def test_folds_keep_patients_whole_and_spread_fractures_evenly() -> None:
    patients, labels = many(120)
    folds = folds_by_fracture(patients, labels, 5, 42)
    assert pd.Series(folds).groupby(patients).nunique().eq(1).all()
    fractures = labels["patient_overall"].groupby(folds).sum()
    assert fractures.max() - fractures.min() <= 6
    again = folds_by_fracture(patients.set_axis(range(240)), labels, 5, 42)
    assert (folds == again).all()
    assert (folds != folds_by_fracture(patients, labels, 5, 43)).any()


def test_folds_do_not_depend_on_the_order_of_studies() -> None:
    patients, labels = many(40)
    order = np.random.default_rng(0).permutation(80)
    folds = folds_by_fracture(patients, labels, 4, 42)
    assert (folds_by_fracture(patients[order], labels.iloc[order], 4, 42) == folds[order]).all()


def test_a_fold_without_a_fracture_is_refused_with_the_remedy() -> None:
    _, labels = many(3)
    with pytest.raises(BadInput, match=r"fold 1 has no study with a fracture.*--prepare\.fold_count"):
        check_folds(np.zeros(6, np.int8), pd.Series(list("aabbcc")), labels.assign(patient_overall=1.0), 2)


PUBLISHED = (
    "StudyInstanceUID,patient_overall,C1,C2,C3,C4,C5,C6,C7,fold\n1.2.3,1,0,1,0,0,0,0,0,4\n1.2.4,0,0,0,0,0,0,0,0,0\n"
)


def test_published_folds_are_taken_as_they_are_and_a_study_that_they_lack_has_none() -> None:
    labels = read(labels_csv({"1.2.3": fractured("C2"), "1.2.4": fractured(), "1.2.5": fractured()}))
    folds = read_folds(PUBLISHED.encode(), "folds.csv", labels, STUDIES_AS_NAMED, 5)
    assert published_folds(folds, "folds.csv", pd.Series(["1.2.4", "1.2.3", "1.2.5"])).tolist() == [0, 4, -1]
    with pytest.raises(BadInput, match="none of its 2 studies"):
        published_folds(folds, "folds.csv", pd.Series(["9.9"]))


@pytest.mark.parametrize(
    ("text", "count", "fact"),
    [
        (PUBLISHED, 4, r"folds are not 0 to 3 \(prepare.fold_count\); the first are 1.2.3"),
        (PUBLISHED + PUBLISHED.splitlines()[1], 5, "occur twice"),
        (PUBLISHED.replace("1.2.3,1,0,1", "1.2.3,1,1,0"), 5, "other labels than the label table"),
        ("fname,fold\na,1\n", 5, "StudyInstanceUID and fold are needed"),
        (PUBLISHED.replace(",4\n", ",\n"), 5, "folds are not"),
    ],
    ids=["a fold beyond", "twice", "contradiction", "another table", "blank"],
)
def test_a_table_of_folds_that_cannot_be_meant_is_refused(text: str, count: int, fact: str) -> None:
    labels = read(labels_csv({"1.2.3": fractured("C2"), "1.2.4": fractured()}))
    with pytest.raises(BadInput, match=fact):
        read_folds(text.encode(), "folds.csv", labels, STUDIES_AS_NAMED, count)
