"""Every path that a stage's help names as its output is one that the stage writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Work, copy_work, work_at
from first_level import EXPERIMENT
from help_paths import missing
from programs import run_program

TRAINING = [f"hemorrhage_{name}" for name in ("train_classifier", "extract_embeddings", "train_sequence", "bag")]


@pytest.mark.parametrize(
    "stage",
    [
        "run_01_prepare_data.sh",
        "run_12_trainfull_imgclassifier.sh",
        "run_13_trainfull_embedding_extract.sh",
        "run_14_trainfull_sequential.sh",
        "run_15_bagged_submission.sh",
    ],
)
def test_what_the_help_of_a_stage_promises_is_there(finished: Work, stage: str) -> None:
    assert missing(finished.folder, stage, data_set="phantom", experiment="mini") == []


@pytest.mark.parametrize("stage", ["run_44_stacking_second_level.sh", "run_45_stacking_ensemble.sh"])
def test_what_the_help_of_the_second_system_promises_is_there(second_level_work: Path, stage: str) -> None:
    meant = {"data_set": "phantom", "experiment": EXPERIMENT, "stopping": "nested"}
    assert missing(second_level_work, stage, **meant) == []


def test_what_the_help_of_the_export_promises_is_there(finished: Work, tmp_path: Path) -> None:
    work = work_at(tmp_path / "work")
    copy_work(finished, work)
    run_program("hemorrhage_export_embeddings", *work.arguments)
    assert missing(work.folder, "run_16_export_embeddings.sh", data_set="phantom", experiment="mini") == []


@pytest.mark.slow
def test_what_the_help_of_the_single_model_way_promises_is_there(prepared: Work, tmp_path: Path) -> None:
    work = work_at(tmp_path / "work")
    copy_work(prepared, work)
    for program in TRAINING:
        run_program(program, *work.arguments, "--fold", "all", "--classifier.epochs", 1)
    assert missing(work.folder, "run_21_trainsngl_e2e.sh", data_set="phantom", experiment="mini") == []


@pytest.mark.slow
def test_what_the_help_of_the_fast_way_promises_is_there(finished: Work, tmp_path: Path) -> None:
    archive, other = tmp_path / "mini.tar", ("--work", tmp_path / "other")
    run_program("hemorrhage_export_embeddings", *finished.arguments, "--fold", 0, "--output", archive)
    run_program("hemorrhage_import_embeddings", archive, *other)
    config = tmp_path / "other/data/phantom/embeddings/mini/mini.yaml"
    for program in TRAINING[2:]:
        run_program(program, "--config", config, *other, "--fold", 0)
    assert missing(tmp_path / "other", "run_31_fastprediction_only.sh", data_set="phantom", experiment="mini") == []


def test_a_path_that_is_not_written_would_be_seen(finished: Work) -> None:
    assert missing(finished.folder, "run_15_bagged_submission.sh", data_set="phantom", experiment="other") != []
