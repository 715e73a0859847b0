from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from label_sets import DICE, SLICE_WEIGHTS, SLICES, SQUARED, STUDIES

from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.out_of_fold import ByDesign
from hounsfield.core.evaluation.score_table import (
    CLEAN_HEADING,
    LEAKS_HEADING,
    METRIC,
    System,
    counted_column,
    empty_table,
    loss_column,
    read_scores,
    readable,
    score,
    score_columns,
    score_table,
    write_scores,
)
from hounsfield.report.tables import score_rows
from reference.log_loss import area_under_roc, competition_log_loss


@pytest.fixture
def slices():
    """Labels (N, 3) and patients (N,) of 60 patients with one to nine slices each."""
    generator = np.random.default_rng(5)
    patients = np.repeat([f"p{i}" for i in range(60)], generator.integers(1, 10, 60))
    labels = (generator.random((len(patients), 3)) < [0.1, 0.3, 0.5]).astype(np.int8)
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
    table = score_table(SLICES, three_systems(labels), labels, patients, "0 1")
    for row, system in zip(table.to_dict("records"), three_systems(labels), strict=True):
        p = system.probabilities
        assert row["weighted_log_loss"] == pytest.approx(competition_log_loss(p, labels, SLICE_WEIGHTS, 1e-5))
        for c, name in enumerate(SLICES.names):
            assert row[f"log_loss_{name}"] == pytest.approx(competition_log_loss(p[:, [c]], labels[:, [c]], [1], 1e-5))
            assert row[f"auc_{name}"] == pytest.approx(area_under_roc(p[:, c], labels[:, c]))


def test_a_system_is_compared_with_the_one_it_names_and_a_clear_gain_excludes_zero(slices):
    labels, patients = slices
    table = score_table(SLICES, three_systems(labels), labels, patients, "0 1").set_index("system")
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
    table = score_table(SLICES, compared, labels, patients, "0")
    assert tuple(table.loc[1, ["gain", "gain_low", "gain_high"]]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert "+0.0000  +0.0000 to +0.0000" in readable(table)
    assert "-0.0000" not in readable(table.assign(gain=-1e-17, gain_low=-1e-17))


def test_the_same_predictions_give_the_same_table_each_time(slices):
    labels, patients = slices
    first, second = (score_table(SLICES, three_systems(labels), labels, patients, "0") for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_a_prior_that_differs_by_fold_ranks_nothing(slices):
    labels, patients = slices
    prior = np.repeat([[0.2] * 3, [0.4] * 3], [10, len(labels) - 10], axis=0)
    row = score_table(SLICES, [System("prior", "", prior, "", ranks=False)], labels, patients, "0 1").iloc[0]
    assert {row[f"auc_{name}"] for name in SLICES.names} == {0.5}


def test_each_row_says_what_it_rests_on(slices):
    labels, patients = slices
    table = score_table(SLICES, three_systems(labels), labels, patients, "0 1")
    assert list(table.columns) == score_columns(SLICES)
    assert set(table["patients"]) == {60}
    assert set(table["slices"]) == {len(labels)}
    assert set(table["folds"]) == {"0 1"}
    assert list(table["models"]) == ["none", "epoch 1", "epoch 1"]


def test_a_class_that_never_occurs_has_a_loss_and_no_auc(slices):
    labels, patients = slices
    labels[:, 0] = 0
    table = score_table(SLICES, three_systems(labels), labels, patients, "0")
    assert table["auc_left"].isna().all()
    assert table["log_loss_left"].notna().all()
    assert "/ none" in readable(table)


def test_the_table_reads_back_from_its_csv_and_prints_the_same(tmp_path, slices):
    labels, patients = slices
    table = score_table(SLICES, three_systems(labels), labels, patients, "0")
    write_scores(tmp_path / "scores.csv", table)
    found = read_scores(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(found, table, check_dtype=False, atol=1e-8, rtol=0)
    assert readable(found) == readable(table)


def test_the_printed_table_is_aligned_and_fits_a_wide_terminal(slices):
    labels, patients = slices
    text = readable(score_table(SLICES, three_systems(labels), labels, patients, "0 1"))
    lines = text.split("\n")
    assert lines[0] == f"{len(labels)} out-of-fold slices of 60 patients, folds 0 1"
    assert max(map(len, lines)) <= 120
    columns = {line.index("better than") for line in lines if "better than" in line}
    assert columns == {line.index("classifier", 5) for line in lines if line.startswith("sequence") and "+0" in line}


def test_several_experiments_are_told_apart_in_the_printed_table(slices):
    labels, patients = slices
    compared = [System("sequence", name, guess(labels, 0.5, 1), "") for name in ("crop", "no_crop")]
    text = readable(score_table(SLICES, compared, labels, patients, "0"))
    assert "sequence (crop) " in text
    assert "sequence (no_crop) " in text


def test_a_column_that_is_put_in_anywhere_or_in_another_place_changes_no_word(slices):
    labels, patients = slices
    table = score_table(SLICES, three_systems(labels), labels, patients, "0 1")
    text = readable(table)
    for place in range(len(table.columns) + 1):
        wider = table.copy()
        wider.insert(place, "new", "new")
        assert readable(wider) == text
        assert score_rows(wider) == score_rows(table)
    turned = table[table.columns[::-1]]
    assert (loss_column(turned), counted_column(turned)) == (METRIC, "slices")


def test_a_loss_by_whose_name_no_reader_would_find_it_is_refused():
    with pytest.raises(ValueError, match="brier"):
        score_columns(SLICES, "brier")


def test_nothing_to_score_is_a_header_and_a_sentence(tmp_path):
    write_scores(tmp_path / "scores.csv", empty_table(SLICES))
    assert (tmp_path / "scores.csv").read_text() == ",".join(score_columns(SLICES)) + "\n"
    assert readable(read_scores(tmp_path / "scores.csv")) == "no out-of-fold slices: nothing to score"
    assert score_table(SLICES, [], np.zeros((0, 3)), np.array([]), "").empty


@pytest.mark.parametrize("label_set", [STUDIES, SQUARED])
def test_studies_are_scored_by_their_own_names_and_loss(tmp_path, slices, label_set):
    labels, patients = slices[0][:, :2], slices[1]
    compared = [System("one", "", guess(labels, 0.8, 1), ""), System("two", "", guess(labels, 0.3, 2), "", over=0)]
    metric = METRIC if label_set is STUDIES else "study_loss"
    table = score_table(label_set, compared, labels, patients, "0", metric=metric)
    assert table[metric].tolist() == [label_set.loss(one.probabilities, labels).mean() for one in compared]
    assert table["studies"].tolist() == [len(labels)] * 2
    assert table[["auc_fracture", "auc_overall"]].notna().all(axis=None)
    write_scores(tmp_path / "scores.csv", table)
    first, *_, head, one, two = readable(read_scores(tmp_path / "scores.csv")).split("\n")
    assert first == f"{len(labels)} out-of-fold studies of 60 patients, folds 0"
    assert head.split("  ")[0] == "log loss / AUC"
    assert (one[:3], two[:3]) == ("one", "two")


def test_one_value_a_row_and_its_patient_is_enough_for_a_table(slices):
    patients = slices[1]
    dice = np.random.default_rng(1).random((len(patients), 1))
    compared = [System("one", "", dice, ""), System("two", "", dice / 2, "", over=0)]
    table = score_table(DICE, compared, np.empty((len(patients), 0)), patients, "0", metric="one_minus_dice")
    assert table["one_minus_dice"].tolist() == pytest.approx([1 - dice.mean(), 1 - dice.mean() / 2])
    assert table.loc[1, "gain_high"] < 0
    assert "one minus dice" in readable(table)
    assert "AUC" not in readable(table)


def test_one_score_names_the_loss_and_the_area_of_each_name(slices):
    labels, _ = slices
    labels[:, 0] = 0
    found = score(SLICES, guess(labels, 0.5, 1), labels)
    assert list(found) == [METRIC, "auc_left", "auc_right", "auc_any"]
    assert found["auc_left"] is None
    assert found["auc_any"] > 0.9


def seen_by(patients, how, *chosen):
    return np.where(np.isin(patients, chosen), how, "")


@pytest.mark.parametrize("how", ["train", "early_stop", "upstream"])
def test_a_system_whose_models_have_seen_a_scored_patient_is_refused_by_name_with_their_count(slices, how):
    labels, patients = slices
    leaky = System("sequence", "crop", guess(labels, 0.3, 2), "", over=1, seen=seen_by(patients, how, "p3", "p8"))
    with pytest.raises(BadInput, match=rf"sequence \(crop\).* 2 of \d+ patients.*{how}: 2.*sh train"):
        score_table(SLICES, [*three_systems(labels), leaky], labels, patients, "0", remedy="sh train")


def test_what_leaks_by_design_is_scored_and_stands_apart(tmp_path, slices):
    labels, patients = slices
    leak = "early stopping on the scored fold"
    leaky = System(
        "as_published",
        "crop",
        guess(labels, 0.3, 2),
        "",
        over=1,
        seen=seen_by(patients, "early_stop", "p3"),
        by_design=ByDesign(leak, ("early_stop",)),
    )
    write_scores(tmp_path / "scores.csv", score_table(SLICES, [*three_systems(labels), leaky], labels, patients, "0"))
    table = read_scores(tmp_path / "scores.csv")
    assert list(table["ledger"]) == ["out-of-fold"] * 3 + [leak]
    clean, leaks = readable(table).split(LEAKS_HEADING)
    assert CLEAN_HEADING in clean
    assert "as_published" not in clean
    assert "sequence" not in leaks
    assert leak in leaks
    assert "better than" not in leaks
    assert max(map(len, leaks.split("\n"))) <= 120


def test_the_ledger_changes_no_figure_of_the_table(slices):
    labels, patients = slices
    plain = score_table(SLICES, three_systems(labels), labels, patients, "0")
    named = (replace(system, by_design=ByDesign("words", ())) for system in three_systems(labels))
    pd.testing.assert_frame_equal(plain, score_table(SLICES, named, labels, patients, "0").assign(ledger="out-of-fold"))


def test_a_leak_by_design_excuses_no_graver_one(slices):
    labels, patients = slices
    design = ByDesign("second order", ("upstream",))
    seen = seen_by(patients, "train", "p3")
    leaky = System("stacked", "crop", guess(labels, 0.3, 2), "", over=1, seen=seen, by_design=design)
    with pytest.raises(BadInput, match=r"stacked.* 1 of \d+ patients.*train: 1"):
        score_table(SLICES, [*three_systems(labels), leaky], labels, patients, "0")


def test_measures_of_the_systems_stand_beside_the_loss_with_their_intervals(tmp_path, slices):
    labels, patients = slices
    shown = labels[:, 2]
    dice = np.random.default_rng(1).random((len(patients), 1))
    on_positives = np.where(shown == 1, dice[:, 0], np.nan)
    ranking = guess(labels, 0.8, 1)[:, 2]
    compared = [
        System("prior", "", np.zeros_like(dice), "", ranks=False, rankings={"auc": (ranking, shown)}),
        System("network", "crop", dice, "", over=0, measures={"on_positives": on_positives},
               rankings={"auc": (ranking, shown)}),
        System("nothing", "crop", dice, "", measures={"on_positives": np.full(len(patients), np.nan)}),
    ]  # fmt: skip
    table = score_table(DICE, compared, np.empty((len(patients), 0)), patients, "0", metric="one_minus_dice")
    write_scores(tmp_path / "scores.csv", table)
    prior, network, nothing = read_scores(tmp_path / "scores.csv").to_dict("records")
    assert network["on_positives"] == pytest.approx(dice[shown == 1].mean())
    assert network["on_positives_low"] < network["on_positives"] < network["on_positives_high"]
    assert network["auc"] == pytest.approx(area_under_roc(ranking, shown))
    assert network["auc_low"] < network["auc"] < network["auc_high"]
    assert [prior[f"auc{end}"] for end in ("", "_low", "_high")] == [0.5] * 3
    assert np.isnan([prior["on_positives"], nothing["on_positives_high"], nothing["auc"]]).all()
    text = readable(read_scores(tmp_path / "scores.csv"))
    cell = f"{network['auc']:.3f} ({network['auc_low']:.2f}-{network['auc_high']:.2f})"
    assert cell in text
    assert "on positives" in text
    assert list(table.columns).index("auc_high") < list(table.columns).index("patients")
