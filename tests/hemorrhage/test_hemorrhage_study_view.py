"""Findings of a run's own data set and of an applied one hold the numbers that its stages have left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.study_view import SliceAnswers
from hounsfield.core.errors import MissingInput
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, read_predictions
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig
from hounsfield.hemorrhage.paths import LOGITS, MEANS, array_path, predictions_folder, store_folder
from hounsfield.hemorrhage.study_view import open_view
from programs import run_program
from synthetic_runs import DATA_SET, make_data_set, make_runs, toy_config, write_config

OTHER = "other"
STAGE = Stage(HemorrhageConfig, "", DEFAULT_CONFIG, role="applies", single=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds and two epochs, bagged for their own data set and for another one."""
    work = tmp_path_factory.mktemp("work")
    config = toy_config(folds=(0, 1))
    make_data_set(work, patients=100, test_patients=3, slices=3)
    make_data_set(work, OTHER, patients=0, test_patients=2, slices=3, seed=5)
    write_config(work / "configs", "crop", config)
    make_runs(work, "crop", config)
    bag(work)
    make_runs(work, "crop", config, data_set=OTHER)
    bag(work, "--apply-to", OTHER)
    return work


def bag(work: Path, *arguments: object) -> None:
    run_program("hemorrhage_bag", "--config", work / "configs/crop.yaml", "--work", work, *arguments)


def view_of(work: Path, *arguments: str) -> SliceAnswers:
    config = str(work / "configs/crop.yaml")
    return open_view(parse(stage_parser(STAGE), STAGE, ["--config", config, "--work", str(work), *arguments]))


def classifier(work: Path, data_set: str, images: pd.Series, slices: pd.DataFrame, folds: list[int]) -> np.ndarray:
    """The mean over some folds' classifiers and both epochs, from their logits."""
    rows = slices.set_index("image_id").index.get_indexer(images)
    stores = [store_folder(work, data_set, "crop", str(fold), epoch) for fold in folds for epoch in (0, 1)]
    return np.mean([1 / (1 + np.exp(-np.load(array_path(one, LOGITS))[rows].astype(float))) for one in stores], axis=0)


def test_slices_have_the_numbers_of_the_bag_and_of_the_classifiers_that_may_predict_them(work: Path) -> None:
    """Out of fold those of the patient's fold, of test slices all."""
    view, folder = view_of(work), predictions_folder(work, "crop", DATA_SET, DATA_SET)
    table = read_predictions(folder / MEANS, LABELS, remedy="").set_index("image_id")
    slices = view.slices.set_index("image_id")
    assert len(view.studies) == slices.loc[table.index, "study_uid"].nunique()
    splits = set()
    for study in view.studies:
        (series,) = view.findings(study).series
        single, bagged = series.models
        images = series.slices["image_id"]
        assert bagged.raw == pytest.approx(table.loc[images, list(CLASSES)].to_numpy(), abs=1e-6)
        split, fold = table.loc[images[0], "split"], slices.loc[images[0], "fold"]
        folds = [0, 1] if split == TEST else [int(fold)]
        assert single.raw == pytest.approx(classifier(work, DATA_SET, images, view.slices, folds), abs=1e-6)
        splits.add(split)
    assert splits == {TEST, OUT_OF_FOLD}


def test_an_applied_data_set_is_answered_by_every_model_and_its_studies_as_studies_csv_says(work: Path) -> None:
    view = view_of(work, "--apply-to", OTHER)
    table = pd.read_csv(predictions_folder(work, "crop", DATA_SET, OTHER) / "studies.csv").set_index("study")
    assert view.studies == list(table.index)
    for study in view.studies:
        found = view.findings(study)
        (series,) = found.series
        images = series.slices["image_id"]
        assert series.models[0].raw == pytest.approx(classifier(work, OTHER, images, view.slices, [0, 1]), abs=1e-6)
        assert series.truth is None
        assert found.truth == {}
        assert [answer.label for answer in found.answers] == list(CLASSES)
        for answer in found.answers:
            assert answer.raw == pytest.approx(table.loc[study, answer.label], abs=1e-6)
            assert str(table.loc[study, "rule"]) in answer.how
            assert str(table.loc[study, "scored_on"]) in answer.how
            assert {point.name for point in answer.points} >= {"youden"}
            assert all(point.met == (answer.raw >= point.threshold) for point in answer.points)


def test_labels_of_the_run_s_own_studies_are_beside_the_answers(work: Path) -> None:
    view = view_of(work)
    labelled = view.slices[view.slices["split"] == "train"]
    study = next(one for one in view.studies if one in set(labelled["study_uid"]))
    mine, found = labelled[labelled["study_uid"] == study], view.findings(study)
    assert found.series[0].truth == pytest.approx(mine[list(CLASSES)].to_numpy(float))
    assert found.truth == mine[list(CLASSES)].max().astype(float).to_dict()


def test_a_run_names_its_models_and_its_scores(work: Path) -> None:
    (run,) = view_of(work, "--apply-to", OTHER).findings(view_of(work, "--apply-to", OTHER).studies[0]).runs
    assert set(run.models) == {
        f"checkpoints/hemorrhage/crop/fold{fold}{part}" for fold in (0, 1) for part in ("", *SEQUENCES)
    }
    assert [row["system"] for row in run.scores][-1] == "bag"
    assert run.name == "hemorrhage/crop"


SEQUENCES = ("/sequence_epoch0", "/sequence_epoch1")


def test_answers_that_are_not_there_are_named_with_what_makes_them(work: Path) -> None:
    with pytest.raises(MissingInput, match=r"data/nothing is missing; make it with: .*DATA_SET=nothing .*run_01"):
        view_of(work, "--apply-to", "nothing")


@pytest.mark.parametrize(("data_set", "slices", "studies"), [
    (DATA_SET, "out_of_fold.csv", "out_of_fold_studies.csv"), (OTHER, "findings.csv", "studies.csv"),
])  # fmt: skip
def test_calibrated_values_are_those_of_the_tables_of_answers(
    work: Path, data_set: str, slices: str, studies: str
) -> None:
    """Out of fold by calibrators of other patients, of an applied data set by those of all."""
    folder, columns = predictions_folder(work, "crop", DATA_SET, data_set), [f"{name}_calibrated" for name in CLASSES]
    by_slice = pd.read_csv(folder / slices).set_index("image_id")[columns]
    by_study = pd.read_csv(folder / studies).set_index("study")[columns]
    assert by_study.notna().any(axis=None)
    view = view_of(work, *(() if data_set == DATA_SET else ("--apply-to", data_set)))
    for study, expected in by_study.iterrows():
        found = view.findings(str(study))
        calibrated = [answer.calibrated for answer in found.answers]
        np.testing.assert_allclose(np.array(calibrated, float), expected.to_numpy(float), atol=1e-6, rtol=0)
        (series,) = found.series
        assert series.models[0].calibrated is None
        expected_slices = by_slice.loc[series.slices["image_id"]].to_numpy()
        np.testing.assert_allclose(series.models[1].calibrated, expected_slices, atol=1e-6, rtol=0)
