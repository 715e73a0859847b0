"""The submission: eight rows per study in the sample's order, the best constant where nothing is predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hounsfield.competitions.rsna2022.labels import LABELS, NAMES
from hounsfield.competitions.rsna2022.submission import best_constant, check, fill, rows_of, sample_rows, write
from hounsfield.core.errors import BadInput, MissingInput
from reference.best_constant import best_constant_by_search, study_loss

STUDIES, FRACTURED = 2019, 961  # of the published folds file
BY_VERTEBRA = (146, 285, 73, 108, 162, 277, 393)
CONSTANT = np.linspace(0.1, 0.8, 8)


def labels_of_the_published_prevalences() -> np.ndarray:
    """As many fractures of each name as in the published file, dealt out in turn to the fractured studies."""
    labels = np.zeros((STUDIES, 8))
    labels[:FRACTURED, 0] = 1
    deal = np.repeat(np.arange(1, 8), BY_VERTEBRA)
    labels[np.arange(len(deal)) % FRACTURED, deal] = 1
    assert labels.sum(axis=0).tolist() == [FRACTURED, *BY_VERTEBRA]
    assert (labels[:, 1:].max(axis=1) == labels[:, 0]).all()
    return labels


def test_the_best_constant_scores_0_557_on_the_published_prevalences_and_one_half_0_693() -> None:
    """The published figures; which vertebrae break together is not published, and moves the third digit."""
    labels = labels_of_the_published_prevalences()
    best = np.tile(best_constant(labels), (STUDIES, 1))
    assert LABELS.loss(best, labels).mean() == pytest.approx(0.557, abs=0.0025)
    assert LABELS.loss(np.full_like(labels, 0.5), labels).mean() == pytest.approx(0.693, abs=0.0005)


def test_the_best_constant_is_the_one_that_search_finds_and_the_loss_is_the_formulas() -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random((40, 8)) < 0.3).astype(int)
    labels[:, 0] = labels[:, 1:].max(axis=1)
    best = best_constant(labels.astype(float))
    assert best == pytest.approx(best_constant_by_search(labels), abs=0.001)
    losses = LABELS.loss(np.tile(best, (40, 1)), labels.astype(float))
    assert losses == pytest.approx([study_loss(best.tolist(), row.tolist()) for row in labels])


def test_unknown_labels_do_not_count_in_the_best_constant_and_a_name_never_known_takes_one_half() -> None:
    labels = np.full((3, 8), np.nan)
    labels[:, 0], labels[:2, 1] = [1, 0, 0], [1, 1]
    best = best_constant(labels)
    assert best[2:].tolist() == [0.5] * 6
    assert best[1] == 1 - 1e-6
    # weights of the study: overall 14 or 7, over its sum with C1 (2) where that is known
    assert best[0] == pytest.approx((14 / 16) / (14 / 16 + 7 / 9 + 7 / 7))


def test_rows_follow_the_sample_and_a_study_without_a_prediction_takes_the_constant(tmp_path: Path) -> None:
    sample = tmp_path / "sample_submission.csv"
    asked = ["1.2.9_C1", "1.2.3_patient_overall", "1.2.3_C7"]
    sample.write_text("row_id,fractured\n" + "".join(f"{row},0.5\n" for row in asked))
    probabilities = np.array([[0.9, *[0.2] * 7], [0.5] * 8])
    found = fill(sample_rows(sample), ["1.2.3", "1.2.4"], probabilities, CONSTANT)
    assert found.rows == asked
    assert found.probabilities.tolist() == pytest.approx([CONSTANT[1], 0.9, 0.2])
    assert (found.filled, found.left_out) == (["1.2.9"], ["1.2.4"])
    write(tmp_path / "submission.csv", found)
    lines = (tmp_path / "submission.csv").read_text().splitlines()
    assert lines[:2] == ["row_id,fractured", f"1.2.9_C1,{CONSTANT[1]:.8f}"]


def test_without_a_sample_a_study_has_eight_rows_in_the_order_of_the_names_and_no_certainty(tmp_path: Path) -> None:
    rows = rows_of(["1.2.3", "1.2.4"])
    assert rows[:8] == [f"1.2.3_{name}" for name in NAMES]
    found = fill(rows, ["1.2.3", "1.2.4"], np.eye(2, 8), CONSTANT)
    write(tmp_path / "submission.csv", found)
    assert found.probabilities.min() == 1e-6
    assert found.probabilities.max() == 1 - 1e-6


def test_a_sample_of_another_data_set_or_of_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="another data set's"):
        fill(rows_of(["9.9"]), ["1.2.3"], np.full((1, 8), 0.5), CONSTANT)
    with pytest.raises(MissingInput, match="run_51"):
        sample_rows(tmp_path / "none.csv")
    wrong = tmp_path / "sample.csv"
    for text, fact in (
        ("row_id,fractured\n1.2_C8,0.5\n", "1 row names none of"),
        ("row_id,fractured\n1.2_C1,0.5\n1.2_C1,0.5\n", "1 row is repeated"),
        ("id,fractured\n1.2_C1,0.5\n", "row_id is needed"),
    ):
        wrong.write_text(text)
        with pytest.raises(BadInput, match=fact):
            sample_rows(wrong)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("row_id,fractured\n1.2_C2,0.5\n1.2_C1,0.5\n", r"row 2 is 1.2_C2, and 1.2_C1 is expected"),
        ("row_id,fractured\n1.2_C1,0.5\n", "1 row instead of 2"),
        ("row_id,fractured\n1.2_C1,0.5\n1.2_C2,\n", "holds no probability; the first is 1.2_C2"),
        ("row_id,fractured\n1.2_C1,0\n1.2_C2,0.5\n", "holds no probability; the first is 1.2_C1"),
        ("id,p\n1.2_C1,0.5\n1.2_C2,0.5\n", "instead of row_id, fractured"),
    ],
    ids=["order", "missing", "blank", "certain", "columns"],
)
def test_a_submission_that_is_not_what_was_asked_is_refused(tmp_path: Path, text: str, fact: str) -> None:
    (tmp_path / "submission.csv").write_text(text)
    with pytest.raises(BadInput, match=fact):
        check(tmp_path / "submission.csv", ["1.2_C1", "1.2_C2"])
