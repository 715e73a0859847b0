"""Stage 45: the mean of the boosters, the score table, the submission, and what is refused."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from second_level_runs import BOOSTERS, ONE, average, learn, slices_of

from first_level import CONFIG, EXPERIMENT
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.submission import ids_of
from hounsfield.core.errors import StaleOutput
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, read_predictions
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.stacking.config import SubmissionConfig
from hounsfield.stacking.paths import PREDICTIONS, predictions_folder, second_level_folder
from synthetic_runs import write_sample


@pytest.fixture
def done(tmp_path: Path, second_level_work: Path) -> Path:
    """What stages 44 and 45 leave."""
    return shutil.copytree(second_level_work, tmp_path / "work")


def test_the_score_table_compares_every_step_and_calls_the_published_one_optimistic(second_level_work) -> None:
    table = read_scores(predictions_folder(second_level_work, EXPERIMENT) / "scores.csv").set_index("system")
    assert list(table.index) == [
        *("prior", "small", "large", "cnn_ensemble", *BOOSTERS, "second_level", "second_level_scored_fold")
    ]
    assert list(table["gain_over"]) == ["", *["prior"] * 3, *["cnn_ensemble"] * 5]
    assert "optimistic" in table.loc["second_level_scored_fold", "models"]
    assert "nested" in table.loc["second_level", "models"]
    assert list(table["ledger"][:4]) == ["out-of-fold"] * 4
    assert table["ledger"][4:8].str.startswith("second order: ").all()
    assert table["ledger"].iloc[8].startswith("early stopping on the scored fold; second order: ")
    loss = table["weighted_log_loss"]
    assert loss["prior"] > loss["cnn_ensemble"] > loss["second_level"]
    assert (table["slices"] == slices_of(second_level_work)["fold"].notna().sum()).all()


def test_the_ensemble_is_nested_out_of_fold_and_as_published_on_test(second_level_work) -> None:
    folder = predictions_folder(second_level_work, EXPERIMENT)
    frame = read_predictions(folder / "ensemble.parquet", LABELS, remedy="")
    for split, stopping in ((OUT_OF_FOLD, "nested"), (TEST, "scored_fold")):
        tables = [
            read_predictions(
                second_level_folder(second_level_work, EXPERIMENT, booster, stopping) / PREDICTIONS, LABELS, remedy=""
            )
            for booster in BOOSTERS
        ]
        mean = np.mean([table.loc[table["split"] == split, list(CLASSES)] for table in tables], axis=0)
        np.testing.assert_allclose(frame.loc[frame["split"] == split, list(CLASSES)], mean)
    assert json.loads((folder / "output.json").read_text())["facts"]["by_design"]["roles"] == ["upstream"]


def test_the_submission_holds_the_ensembles_test_probabilities(second_level_work) -> None:
    folder = predictions_folder(second_level_work, EXPERIMENT)
    frame = read_predictions(folder / "ensemble.parquet", LABELS, remedy="")
    test = frame[frame["split"] == TEST]
    with gzip.open(folder / "submission.csv.gz", "rt") as text:
        submission = pd.read_csv(text)
    assert list(submission["ID"]) == list(ids_of(test["image_id"]))
    np.testing.assert_allclose(submission["Label"], test[list(CLASSES)].to_numpy().ravel(), atol=1e-5)
    findings = pd.read_csv(folder / "findings.csv")
    assert list(findings["image_id"]) == list(test["image_id"])


def test_slices_that_the_sample_asks_for_and_that_have_no_prediction_take_the_training_prior(done) -> None:
    slices = slices_of(done)
    labels = slices.loc[slices["split"] == "train", list(CLASSES)].astype(float)
    images = pd.Series(["ID_lost", *slices.loc[slices["split"] == "test", "image_id"]])
    write_sample(done, list(ids_of(images)))
    with pytest.raises(StaleOutput, match="sample submission: not used then"):
        average(done)
    average(done, "--force")
    with gzip.open(predictions_folder(done, EXPERIMENT) / "submission.csv.gz", "rt") as text:
        np.testing.assert_allclose(pd.read_csv(text)["Label"][:6], labels.mean(), atol=1e-6)


def test_an_ensemble_of_other_models_is_refused(done) -> None:
    lightgbm = replace(CONFIG.second_level.lightgbm, seed=1)
    other_seed = replace(CONFIG, second_level=replace(CONFIG.second_level, lightgbm=lightgbm))
    learn(done, *ONE, "--force", config=other_seed)
    with pytest.raises(StaleOutput, match=r"lightgbm_nested (.|\n)*lightgbm\.seed: 1 -> 20"):
        average(done)


def test_as_published_the_submission_takes_its_smallest_label_and_is_clipped_to_a_millionth(done) -> None:
    slices = slices_of(done)
    write_sample(done, list(ids_of(pd.Series(["ID_lost", *slices.loc[slices["split"] == "test", "image_id"]]))))
    for clip in (1e-6, 0.4):
        config = replace(CONFIG, submission=SubmissionConfig(clip=clip, missing="smallest"))
        average(done, "--force", config=config)
        frame = read_predictions(predictions_folder(done, EXPERIMENT) / "ensemble.parquet", LABELS, remedy="")
        smallest = frame.loc[frame["split"] == TEST, list(CLASSES)].to_numpy().min()
        with gzip.open(predictions_folder(done, EXPERIMENT) / "submission.csv.gz", "rt") as text:
            labels = pd.read_csv(text)["Label"]
        np.testing.assert_allclose(labels[:6], max(smallest, clip), atol=1e-9)
        assert labels.between(clip, 1 - clip).all()
    with pytest.raises(StaleOutput, match=r"submission\.clip: 0\.4 -> 1e-06"):
        average(done, config=replace(config, submission=SubmissionConfig(clip=1e-6, missing="smallest")))
