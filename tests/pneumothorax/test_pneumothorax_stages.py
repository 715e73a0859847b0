"""Stages 64 and 65 on a made-up data set: thresholds, submission, scores, calibration, and what is stale."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from made_data import DATA_SET, SIZE, made_maps, seeing_map, true_mask
from map_stages import SETTINGS, TEST, TRAIN, experiment, made_work, sees_and_stops, without_figures

from hounsfield.competitions.siim2019.rle import decode
from hounsfield.competitions.siim2019.tables import open_data_set
from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.evaluation.calibration import LEVELS, read_calibration
from hounsfield.core.evaluation.reliability import expected_calibration_error
from hounsfield.core.evaluation.score_table import CLEAN_HEADING, read_scores
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.stages.upstream import require
from hounsfield.pneumothorax.config import PUBLISHED_RULE, SubmissionConfig, Triplet
from hounsfield.pneumothorax.mapped_films import MappedFilms
from hounsfield.pneumothorax.maps import Maps
from hounsfield.pneumothorax.paths import MAPS, maps_folder, predictions_folder, thresholds_folder
from hounsfield.pneumothorax.results import predict_test_films
from programs import run_program
from reference import triplet_rule
from reference.submitted_mask import submitted


@pytest.fixture
def no_figures(monkeypatch) -> None:
    without_figures(monkeypatch)


@pytest.fixture
def work(tmp_path) -> Path:
    return made_work(tmp_path)


def true_or_empty(number: int) -> np.ndarray:
    mask = true_mask(number)
    return np.zeros((SIZE, SIZE), bool) if mask is None else mask


def test_thresholds_and_submission_are_what_the_plain_rules_give(work, capsys) -> None:
    arguments = experiment(work, "one")
    run_program("pneumothorax_thresholds", *arguments)
    run_program("pneumothorax_submit", *arguments)

    rules = json.loads((thresholds_folder(work, "one") / "rules.json").read_text())
    grid = pd.read_csv(thresholds_folder(work, "one") / "grid.csv")
    maps = [(seeing_map(number) / 255).tolist() for number in range(TRAIN + TEST)]
    truths = [true_or_empty(number).astype(int).tolist() for number in range(TRAIN)]
    for row in grid.to_dict("records"):
        plain = (row["top"], round(row["area"] * SIZE * SIZE), row["bottom"])
        assert row["dice"] == pytest.approx(triplet_rule.mean_dice(maps[:TRAIN], truths, plain), abs=1e-8)
    assert rules["dice_optimistic"] == pytest.approx(grid["dice"].max())
    assert rules["dice_nested"] <= rules["dice_optimistic"]

    folder = predictions_folder(work, "one")
    submission = pd.read_csv(folder / "submission.csv")
    assert submission["ImageId"].tolist() == ["film027", "film024", "film026", "film025", "unknown"]
    chosen = rules["everywhere"]
    for film, text in zip(submission["ImageId"][:4], submission["EncodedPixels"], strict=False):
        expected = submitted(
            maps[int(film[4:])], 1, (64, 64), top=chosen["top"], area=round(chosen["area"] * SIZE * SIZE),
            bottom=chosen["bottom"], leak=None,
        )  # fmt: skip
        np.testing.assert_array_equal(decode(text, (64, 64)), np.array(expected, bool))
    assert submission["EncodedPixels"].tolist()[-1] == "-1"
    findings = pd.read_csv(folder / "findings.csv")
    assert findings["film_id"].tolist() == [f"film{number:03d}" for number in range(24, 28)]
    assert findings["pneumothorax"].tolist() == [1, 0, 0, 1]

    out, err = capsys.readouterr()
    assert "1 film of the sample submission without a map, for which stands an empty mask; the first: unknown" in err
    assert "chosen without fold 0" in out
    assert CLEAN_HEADING in out
    for name in (thresholds_folder(work, "one") / "surface.png", folder / "gallery.png"):
        assert cv2.imread(str(name)).std() > 10


def test_a_film_that_the_sample_asks_for_twice_needs_no_area_and_one_without_enough_of_it_is_empty(work) -> None:
    data = open_data_set(work, DATA_SET, lambda stage, *_: stage)
    films = MappedFilms(Maps(require(work, maps_folder(work, DATA_SET, "one"), MAPS, lambda stage, *_: stage)), data)
    rule, config = Triplet(top=0.5, area=0.9, bottom=0.4), SubmissionConfig(leak=0.2)
    found = predict_test_films(films, rule, config, {"film025": 2, "film026": 1}).set_index("film_id")
    expected = submitted((seeing_map(25) / 255).tolist(), 2, (64, 64), top=0.5, area=900, bottom=0.4, leak=0.2)
    assert 0 < np.mean(expected) < 1
    np.testing.assert_array_equal(decode(found.loc["film025", "run_lengths"], (64, 64)), np.array(expected, bool))
    assert found["pneumothorax"].to_dict() == {"film024": 0, "film025": 1, "film026": 0, "film027": 0}


@pytest.mark.usefixtures("no_figures")
def test_every_row_of_the_score_table_says_by_which_rule_and_whom_it_knows(work) -> None:
    arguments = experiment(work, "one")
    run_program("pneumothorax_thresholds", *arguments)
    run_program("pneumothorax_submit", *arguments)
    table = read_scores(predictions_folder(work, "one") / "scores.csv").set_index("system")
    assert list(table.index) == ["prior", "published_rule", "nested_rule", "optimistic_rule"]
    assert table.loc["prior", "dice"] == pytest.approx(2 / 3)
    assert table.loc["prior", ["auc", "sensitivity", "specificity"]].tolist() == [0.5, 0, 1]
    assert table.loc["prior", "ledger"] == "out-of-fold"
    assert table.loc["published_rule", "ledger"] == "epochs chosen by the scored fold"
    assert table.loc["nested_rule", "ledger"] == "epochs chosen by the scored fold; second-order rule"
    assert table.loc["optimistic_rule", "ledger"] == "epochs chosen by the scored fold; optimistic rule"

    rule, found, shown = PUBLISHED_RULE, [], []
    for number in range(TRAIN):
        mask = triplet_rule.triplet(
            (seeing_map(number) / 255).tolist(), rule.top, round(rule.area * SIZE**2), rule.bottom
        )
        found.append(triplet_rule.dice(mask, true_or_empty(number).tolist()))
        shown.append(np.any(mask))
    row, positive = table.loc["published_rule"], np.arange(TRAIN) % 3 == 0
    assert row["dice"] == pytest.approx(np.mean(found), abs=1e-8)
    assert row["one_minus_dice"] == pytest.approx(1 - np.mean(found), abs=1e-8)
    assert row["dice_on_positives"] == pytest.approx(np.mean(np.array(found)[positive]), abs=1e-8)
    assert row["sensitivity"] == pytest.approx(np.mean(np.array(shown)[positive]))
    assert row["specificity"] == pytest.approx(1 - np.mean(np.array(shown)[~positive]))
    assert row["gain_over"] == "prior"
    assert row["gain"] == pytest.approx(row["dice"] - table.loc["prior", "dice"], abs=1e-7)
    assert 0.8 < row["auc"] < 1
    assert (table["dice_low"] <= table["dice"]).all()
    assert table["films"].tolist() == [TRAIN] * 4


@pytest.mark.usefixtures("no_figures")
def test_films_whose_fold_chose_the_epochs_are_not_calibrated_and_their_answers_say_so(work) -> None:
    arguments = experiment(work, "one")
    run_program("pneumothorax_thresholds", *arguments)
    run_program("pneumothorax_submit", *arguments)
    folder = predictions_folder(work, "one")
    words = "not calibrated: epochs chosen by the scored fold"
    assert [read_calibration(folder / "calibration.json").words(level) for level in LEVELS] == [words] * 2
    for name in ("findings.csv", "out_of_fold.csv"):
        table = pd.read_csv(folder / name)
        assert table["probability_calibrated"].isna().all()
        assert set(table["calibration"]) == {words}


@pytest.mark.usefixtures("no_figures")
def test_films_are_calibrated_by_rules_and_calibrators_of_other_films(work) -> None:
    arrays = [seeing_map(number) for number in range(TRAIN + TEST)]
    ledger = sees_and_stops()
    clean = Ledger(ledger.rows[ledger.rows["role"] == "train"])
    made_maps(work, "one", arrays, [0, 1], SETTINGS, seen=clean)
    arguments = experiment(work, "one")
    run_program("pneumothorax_thresholds", *arguments)
    run_program("pneumothorax_submit", *arguments)
    folder = predictions_folder(work, "one")
    calibration = read_calibration(folder / "calibration.json")
    known = calibration.levels["slice"]["pneumothorax"]
    assert (known.positives, known.negatives, known.patients) == (8, 16, TRAIN)
    assert known == calibration.levels["study"]["pneumothorax"]
    assert [point.name for point in known.points] == ["sensitivity_95", "specificity_95", "youden"]
    table, found = pd.read_csv(folder / "out_of_fold.csv"), pd.read_csv(folder / "findings.csv")
    labels = table["label_pneumothorax"].to_numpy(float)
    assert sorted(table["film_id"]) == [f"film{number:03d}" for number in range(TRAIN)]
    error = expected_calibration_error(table["probability_calibrated"].to_numpy(), labels)
    assert error == pytest.approx(known.calibrated.ece, abs=1e-5)
    assert error <= expected_calibration_error(table["probability"].to_numpy(), labels)
    expected = calibration.apply("slice", found[["probability"]].to_numpy())[:, 0]
    assert found["probability_calibrated"].to_numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("no_figures")
def test_a_chosen_rule_has_a_ledger_of_whom_it_was_chosen_on_and_whom_the_networks_behind_knew(work) -> None:
    arguments = experiment(work, "one")
    run_program("pneumothorax_thresholds", *arguments)
    folder = thresholds_folder(work, "one")
    ledger = Ledger.read(folder / "learned.parquet")
    own, other = np.array(["p000", "p001"]), np.array(["p003", "p004"])  # of folds 0 and 1
    assert ledger.roles_of(own, "fold0").tolist() == ["upstream"] * 2
    assert ledger.roles_of(other, "fold0").tolist() == ["train"] * 2
    assert ledger.roles_of(np.concatenate([own, other]), "test").tolist() == ["train"] * 4


@pytest.mark.usefixtures("no_figures")
def test_maps_by_networks_that_have_learnt_from_a_scored_patient_are_not_scored(work) -> None:
    arrays = [seeing_map(number) for number in range(TRAIN + TEST)]
    leaky = Ledger.joined([sees_and_stops(), Ledger.of(DATA_SET, ["p000"], "train", "fold0")])
    made_maps(work, "one", arrays, [0, 1], SETTINGS, seen=leaky)
    arguments = experiment(work, "one")
    run_program("pneumothorax_thresholds", *arguments)
    with pytest.raises(
        BadInput,
        match=r"published_rule \(one\): 1 of 24 patients.*train: 1; the first: p000.*run_62_pneumothorax",
    ):
        run_program("pneumothorax_submit", *arguments)


@pytest.mark.usefixtures("no_figures")
def test_what_was_made_from_other_maps_or_another_grid_is_stale(work) -> None:
    arguments = experiment(work, "one")
    run_program("pneumothorax_thresholds", *arguments)
    with pytest.raises(
        StaleOutput, match=r"(?s)thresholds was made from something else.*run_64_pneumothorax_thresholds"
    ):
        run_program("pneumothorax_submit", *arguments, "--thresholds.tops", "[0.9]")
    arrays = [255 - seeing_map(number) for number in range(TRAIN + TEST)]
    made_maps(work, "one", arrays, [0, 1], SETTINGS, seen=sees_and_stops())
    with pytest.raises(StaleOutput, match=r"thresholds: maps: another content"):
        run_program("pneumothorax_submit", *arguments)


@pytest.mark.slow
def test_the_same_maps_give_the_same_bytes_and_nothing_is_done_twice(work) -> None:
    arguments = experiment(work, "one")
    first = {}
    for _ in range(2):
        run_program("pneumothorax_thresholds", *arguments, "--force")
        run_program("pneumothorax_submit", *arguments, "--force")
        files = (
            read_record(predictions_folder(work, "one"))["files"] | read_record(thresholds_folder(work, "one"))["files"]
        )
        assert first in ({}, files)
        first = files
    before = (predictions_folder(work, "one") / "submission.csv").stat().st_mtime_ns
    run_program("pneumothorax_submit", *arguments)
    assert (predictions_folder(work, "one") / "submission.csv").stat().st_mtime_ns == before
