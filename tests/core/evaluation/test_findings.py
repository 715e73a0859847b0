from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.core.evaluation.findings import (
    UNPLACED,
    Answers,
    printed,
    refused_of_studies,
    slice_table,
    study_table,
    write_answers,
)
from hounsfield.core.evaluation.study_rule import (
    Studies,
    learn_rule,
    read_rule,
    study_values,
    unscored_rule,
    write_rule,
)
from hounsfield.core.stages.upstream import Upstream

NAMES = ("bleed", "swelling")


def slices(files: list[str], studies: list[str]) -> pd.DataFrame:
    count = len(files)
    return pd.DataFrame(
        {
            "study": studies,
            "series": [f"{study}_series" for study in studies],
            "file": files,
            "image_id": [f"ID_{i}" for i in range(count)],
            "position_mm": np.arange(count) * 5.0,
            "order": np.arange(count),
            "flags": ["odd", *[""] * (count - 1)],
        }
    )


def answers(files: list[str], studies: list[str], refused: list[str] = [], **facts: object) -> Answers:  # noqa: B006
    listing = pd.DataFrame({"path": refused, "reason": "not_dicom", "message": "no DICOM file"})
    values = np.linspace(0.1, 0.9, 2 * len(files)).reshape(-1, 2)
    rule = unscored_rule(NAMES, "no fold")
    return Answers(slices(files, studies), values, rule, "phantoms, drawn", listing, **facts)


def test_the_highest_mean_of_neighbours_never_reaches_into_another_series() -> None:
    # by hand: series 1 holds 0.9, 0.1 and 0.2; series 2 holds 0.6 alone
    studies = Studies(np.array(["a"] * 4), np.array([1, 1, 1, 2]), np.array([0, 1, 2, 0]))
    values = np.array([[0.9], [0.1], [0.2], [0.6]])
    assert study_values(values, studies, 1).loc["a", 0] == 0.9
    assert study_values(values, studies, 2).loc["a", 0] == pytest.approx(0.6)  # (0.9 + 0.1) / 2 = 0.5 < 0.6
    assert study_values(values, studies, 3).loc["a", 0] == pytest.approx(0.6)


def test_the_order_of_the_rows_does_not_matter() -> None:
    generator = np.random.default_rng(4)
    studies = Studies(np.repeat(["a", "b", "c"], 8), np.tile(np.repeat([1, 2], 4), 3), np.tile(np.arange(4), 6))
    values, shuffled = generator.random((24, 2)), generator.permutation(24)
    other = study_values(values[shuffled], Studies(*(column[shuffled] for column in studies)), 3)
    pd.testing.assert_frame_equal(study_values(values, studies, 3), other)


def many_studies(noise: bool) -> tuple[np.ndarray, np.ndarray, Studies, np.ndarray]:
    """40 studies of 6 slices; half bleed on three slices beside each other; noise: single bright slices elsewhere."""
    generator = np.random.default_rng(2)
    labels, values = np.zeros((240, 1)), generator.uniform(0.1, 0.3, (240, 1))
    for study in range(40):
        rows = slice(6 * study, 6 * study + 6)
        if study % 2:
            labels[rows][1:4], values[rows][1:4] = 1, 0.6
        elif noise:
            values[rows][5 if study % 4 else 0] = 0.95
    studies = np.repeat([f"study{i:02d}" for i in range(40)], 6)
    return values, labels, Studies(studies, studies, np.tile(np.arange(6), 40)), studies


def test_single_bright_slices_make_the_rule_ask_for_neighbours() -> None:
    values, labels, studies, patients = many_studies(noise=True)
    rule = learn_rule(["bleed"], values, labels, studies, patients)
    assert rule.neighbours == 3
    assert (rule.answers["bleed"].sensitivity, rule.answers["bleed"].specificity) == (1.0, 1.0)
    assert (rule.answers["bleed"].positives, rule.answers["bleed"].negatives) == (20, 20)


def test_of_equally_good_rules_the_maximum_is_taken() -> None:
    values, labels, studies, patients = many_studies(noise=False)
    rule = learn_rule(["bleed"], values, labels, studies, patients)
    assert (rule.neighbours, rule.name) == (1, "maximum")


def test_sensitivity_is_not_that_of_the_studies_that_chose_the_threshold() -> None:
    generator = np.random.default_rng(1)
    studies = np.array([f"s{i}" for i in range(60)])
    index = Studies(studies, studies, np.zeros(60, int))
    values, labels = generator.random((60, 1)), generator.integers(0, 2, (60, 1)).astype(float)
    answer = learn_rule(["bleed"], values, labels, index, studies).answers["bleed"]
    on_itself = values[:, 0] >= answer.threshold
    best = on_itself[labels[:, 0] == 1].mean() + (~on_itself[labels[:, 0] == 0]).mean()
    assert answer.sensitivity + answer.specificity < best  # chance: what is fitted to noise looks better on itself


def test_one_patient_alone_gives_a_rule_without_a_score() -> None:
    values, labels, studies, _ = many_studies(noise=True)
    answer = learn_rule(["bleed"], values, labels, studies, np.full(240, "one")).answers["bleed"]
    assert (answer.sensitivity, answer.specificity) == (None, None)


def test_a_rule_reads_back_as_it_was_written(tmp_path: Path) -> None:
    rule = learn_rule(["bleed"], *many_studies(noise=True))
    write_rule(tmp_path / "rule.json", rule)
    assert read_rule(tmp_path / "rule.json") == rule


def test_a_study_has_its_highest_slice_its_flags_and_the_refused_files_beside_it() -> None:
    table = study_table(answers(["a/1", "a/2", "b/1"], ["s1", "s1", "s2"], ["a/x", "a/y", "c/z"])).set_index("study")
    assert list(table["refused"]) == [2, 0, 1]
    assert list(table.index) == ["s1", "s2", UNPLACED]
    assert (table.loc["s1", "slices"], table.loc["s1", "flagged"]) == (2, 1)
    assert table.loc["s1", "swelling"] == pytest.approx(0.58)
    assert np.isnan(table.loc[UNPLACED, "bleed"])


def test_studies_stand_in_the_order_of_their_slices_whatever_their_pseudonyms() -> None:
    found = study_table(answers(["a/1", "b/1", "c/1"], ["s9", "s1", "s5"]))
    assert list(found["study"]) == ["s9", "s1", "s5"]
    assert found["bleed"].is_monotonic_increasing  # as the slices were given


def test_refused_files_in_a_folder_of_two_studies_belong_to_neither() -> None:
    table = study_table(answers(["a/1", "a/2"], ["s1", "s2"], ["a/x"])).set_index("study")
    assert table["refused"].to_dict() == {"s1": 0, "s2": 0, UNPLACED: 1}


def test_what_the_models_learnt_from_stands_on_every_row_and_above_the_table(tmp_path: Path) -> None:
    found = answers(["a/1", "b/1"], ["s1", "s2"], warnings={"s2": ["body part CHEST"]})
    assert set(slice_table(found)["trained_on"]) == set(study_table(found)["trained_on"]) == {"phantoms, drawn"}
    write_answers(tmp_path, found)
    text = printed(tmp_path)
    assert "phantoms, drawn" in text
    assert "warning, s2: body part CHEST" in text
    assert str(tmp_path / "findings.csv") in text
    assert sum(line.startswith(("s1", "s2")) for line in text.splitlines()) == 2


def test_foreign_text_in_the_files_cannot_be_a_formula(tmp_path: Path) -> None:
    write_answers(tmp_path, answers(["=cmd|x", "b/1"], ["=s1", "s2"], ["@y\n\u202e\x1b"]))
    assert list(pd.read_csv(tmp_path / "findings.csv")["file"]) == ["'=cmd|x", "b/1"]
    assert pd.read_csv(tmp_path / "studies.csv")["study"][0] == "'=s1"
    assert pd.read_csv(tmp_path / "refused.csv")["path"][0] == "'@y\\n\\u202e\\x1b"


def test_refused_files_are_of_the_study_in_whose_folder_they_lie_and_all_of_them_of_a_lone_one(tmp_path: Path) -> None:
    (tmp_path / "rejected.csv").write_text(
        "path,reason,message\na/x,modality,no CT\nDICOMDIR,dicomdir,a list\nc/y,colour,a picture\n"
    )
    data = Upstream(tmp_path, tmp_path, {}, "")
    both = pd.DataFrame({"study": ["one", "two"], "file": ["a/1", "b/1"]})
    assert refused_of_studies(data, both)["study"].tolist() == ["one", UNPLACED]
    assert refused_of_studies(data, both[:1])["study"].tolist() == ["one", "one"]
