from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.scores import (
    COLUMNS,
    System,
    empty_table,
    read_scores,
    readable,
    score_table,
    write_scores,
)
from reference.log_loss import area_under_roc, competition_log_loss


@pytest.fixture
def slices():
    """Labels (N, 6) and patients (N,) of 60 patients with one to nine slices each."""
    generator = np.random.default_rng(5)
    patients = np.repeat([f"p{i}" for i in range(60)], generator.integers(1, 10, 60))
    labels = (generator.random((len(patients), 6)) < [0.1, 0.2, 0.2, 0.3, 0.3, 0.5]).astype(np.int8)
    return labels, patients


def guess(labels, noise, seed):
    logits = 2 * labels - 1 + noise * np.random.default_rng(seed).standard_normal(labels.shape)
    return 1 / (1 + np.exp(-logits))


def three_systems(labels):
    prior = np.tile(labels.mean(axis=0), (len(labels), 1))
    yield System("prior", "", prior, "none")
    yield System("classifier", "crop", guess(labels, 0.8, 1), "epoch 1", over=0)
    yield System("sequence", "crop", guess(labels, 0.3, 2), "epoch 1", over=1)


def test_scores_match_the_plain_reference_for_every_class_and_the_weighted_whole(slices):
    labels, patients = slices
    table = score_table(three_systems(labels), labels, patients, "0 1")
    for row, system in zip(table.to_dict("records"), three_systems(labels), strict=True):
        p = system.probabilities
        assert row["weighted_log_loss"] == pytest.approx(competition_log_loss(p, labels, [1, 1, 1, 1, 1, 2], 1e-5))
        for c, name in enumerate(CLASSES):
            assert row[f"log_loss_{name}"] == pytest.approx(competition_log_loss(p[:, [c]], labels[:, [c]], [1], 1e-5))
            assert row[f"auc_{name}"] == pytest.approx(area_under_roc(p[:, c], labels[:, c]))


def test_a_system_is_compared_with_the_one_it_names_and_a_clear_gain_excludes_zero(slices):
    labels, patients = slices
    table = score_table(three_systems(labels), labels, patients, "0 1").set_index("system")
    assert list(table["gain_over"]) == ["", "prior", "classifier"]
    loss = table["weighted_log_loss"]
    assert table.loc["sequence", "gain"] == pytest.approx(loss["classifier"] - loss["sequence"])
    assert table.loc["sequence", "gain_low"] > 0
    assert (table["low"] < loss).all()
    assert (loss < table["high"]).all()
    assert table["gain"].isna().tolist() == [True, False, False]


def test_the_paired_interval_of_equal_systems_is_exactly_zero(slices):
    labels, patients = slices
    same = guess(labels, 0.5, 1)
    compared = [System("one", "crop", same, ""), System("two", "crop", same, "", over=0)]
    table = score_table(compared, labels, patients, "0")
    assert tuple(table.loc[1, ["gain", "gain_low", "gain_high"]]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert "+0.0000  +0.0000 to +0.0000" in readable(table)
    assert "-0.0000" not in readable(table.assign(gain=-1e-17, gain_low=-1e-17))


def test_the_same_predictions_give_the_same_table_each_time(slices):
    labels, patients = slices
    first, second = (score_table(three_systems(labels), labels, patients, "0") for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_a_prior_that_differs_by_fold_ranks_nothing(slices):
    labels, patients = slices
    prior = np.repeat([[0.2] * 6, [0.4] * 6], [10, len(labels) - 10], axis=0)
    row = score_table([System("prior", "", prior, "", ranks=False)], labels, patients, "0 1").iloc[0]
    assert {row[f"auc_{name}"] for name in CLASSES} == {0.5}


def test_each_row_says_what_it_rests_on(slices):
    labels, patients = slices
    table = score_table(three_systems(labels), labels, patients, "0 1")
    assert list(table.columns) == list(COLUMNS)
    assert set(table["patients"]) == {60}
    assert set(table["slices"]) == {len(labels)}
    assert set(table["folds"]) == {"0 1"}
    assert list(table["models"]) == ["none", "epoch 1", "epoch 1"]


def test_a_class_that_never_occurs_has_a_loss_and_no_auc(slices):
    labels, patients = slices
    labels[:, 0] = 0
    table = score_table(three_systems(labels), labels, patients, "0")
    assert table["auc_epidural"].isna().all()
    assert table["log_loss_epidural"].notna().all()
    assert "/ none" in readable(table)


def test_the_table_reads_back_from_its_csv_and_prints_the_same(tmp_path, slices):
    labels, patients = slices
    table = score_table(three_systems(labels), labels, patients, "0")
    write_scores(tmp_path / "scores.csv", table)
    found = read_scores(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(found, table, check_dtype=False, atol=1e-8, rtol=0)
    assert readable(found) == readable(table)


def test_the_printed_table_is_aligned_and_fits_a_wide_terminal(slices):
    labels, patients = slices
    text = readable(score_table(three_systems(labels), labels, patients, "0 1"))
    lines = text.split("\n")
    assert lines[0] == f"{len(labels)} out-of-fold slices of 60 patients, folds 0 1"
    assert max(map(len, lines)) <= 120
    columns = {line.index("better than") for line in lines if "better than" in line}
    assert columns == {line.index("classifier", 5) for line in lines if line.startswith("sequence") and "+0" in line}


def test_several_experiments_are_told_apart_in_the_printed_table(slices):
    labels, patients = slices
    compared = [System("sequence", name, guess(labels, 0.5, 1), "") for name in ("crop", "no_crop")]
    text = readable(score_table(compared, labels, patients, "0"))
    assert "sequence (crop) " in text
    assert "sequence (no_crop) " in text


def test_nothing_to_score_is_a_header_and_a_sentence(tmp_path):
    write_scores(tmp_path / "scores.csv", empty_table())
    assert (tmp_path / "scores.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert readable(read_scores(tmp_path / "scores.csv")) == "no out-of-fold slices: nothing to score"
    assert score_table([], np.zeros((0, 6)), np.array([]), "").empty
