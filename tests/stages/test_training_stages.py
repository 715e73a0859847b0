"""Stages 12 to 15 on the phantoms: what they leave, killed and gone on, stopped, and applied to other data sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import Work, copy_work, run_stages, work_at
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.core.errors import BadInput, StaleOutput
from hounsfield.core.evaluation.study_rule import read_rule
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training import blocks
from hounsfield.core.training.state import TrainingState
from hounsfield.hemorrhage import training
from killed_runs import files_left, killed_at
from programs import ask_to_stop, run_program

OUTPUTS = ("checkpoints", "preds", "data/phantom/embeddings")


def outputs(work: Work) -> dict[str, bytes]:
    return {name: content for name, content in files_left(work.folder).items() if name.startswith(OUTPUTS)}


def predictions(work: Work, fold: int = 0, epoch: int = 1) -> pd.DataFrame:
    return pd.read_parquet(work.folder / f"preds/hemorrhage/mini/fold{fold}_epoch{epoch}/predictions.parquet")


@pytest.fixture
def copy(prepared: Work, tmp_path: Path) -> Work:
    """A prepared work folder of the test's own."""
    work = work_at(tmp_path / "work")
    copy_work(prepared, work)
    return work


def test_every_stage_leaves_what_the_next_one_reads(finished: Work) -> None:
    folder = finished.folder
    rows = pd.read_parquet(folder / "data/phantom/slices.parquet")
    for fold in (0, 1):
        for epoch in (0, 1):
            store = folder / f"data/phantom/embeddings/mini/fold{fold}/epoch{epoch}"
            assert open_array(store / "identity.npy").shape == (len(rows), 96)
            assert open_array(store / "identity.npy").dtype == np.float16
            assert open_array(store / "logits.npy").shape == (len(rows), 6)
    submission = pd.read_csv(folder / "preds/hemorrhage/mini/submission.csv.gz")
    test = rows[rows["split"] == "test"]
    assert sorted(submission["ID"]) == sorted(f"{image}_{name}" for image in test["image_id"] for name in CLASSES)
    assert submission["Label"].between(1e-5, 1 - 1e-5).all()


def test_no_training_state_is_left_behind_by_a_finished_run(finished: Work) -> None:
    assert list(finished.folder.rglob("state*.pt")) == []
    assert list(finished.folder.rglob("*.partial")) == []
    assert list(finished.folder.rglob("unfinished")) == []


def test_validation_patients_are_the_same_for_the_classifier_and_the_sequence_network(finished: Work) -> None:
    rows = pd.read_parquet(finished.folder / "data/phantom/slices.parquet").set_index("image_id")
    for fold in (0, 1):
        found = predictions(finished, fold)
        held_out = found.loc[found["split"] == "out-of-fold", "image_id"]
        assert set(held_out) == set(rows.index[rows["fold"] == fold])
        assert set(found.loc[found["split"] == "test", "image_id"]) == set(rows.index[rows["split"] == "test"])


def test_a_second_run_of_every_stage_does_nothing_and_says_so(
    finished: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*") if path.is_file()}
    run_stages(finished)
    after = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*") if path.is_file()}
    assert {path for path in after if before.get(path) != after[path] and path.name != ".lock"} == set()
    assert capsys.readouterr().err.count("nothing to do") == 2 + 4 + 4 + 1


@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_killed_classifier_goes_on_to_the_same_bytes(copy: Work, finished: Work, steps: int) -> None:
    with killed_at(steps + 1, TrainingState, "update"):
        run_program("hemorrhage_train_classifier", *copy.arguments, "--fold", 0)
    run_program("hemorrhage_train_classifier", *copy.arguments, "--fold", 0)
    found, expected = outputs(copy), outputs(finished)
    assert {name for name in found if found[name] != expected[name]} == set()
    assert any(name.endswith("epoch1.safetensors") for name in found)


def test_killed_extraction_and_sequence_training_go_on_to_the_same_bytes(copy: Work, finished: Work) -> None:
    run_program("hemorrhage_train_classifier", *copy.arguments, "--fold", 0)
    with killed_at(5, blocks, "write_block"):
        run_program("hemorrhage_extract_embeddings", *copy.arguments, "--fold", 0)
    run_program("hemorrhage_extract_embeddings", *copy.arguments, "--fold", 0)
    with killed_at(7, TrainingState, "update"):
        run_program("hemorrhage_train_sequence", *copy.arguments, "--fold", 0)
    run_program("hemorrhage_train_sequence", *copy.arguments, "--fold", 0)
    found, expected = outputs(copy), outputs(finished)
    assert {name for name in found if found[name] != expected[name]} == set()
    assert "preds/hemorrhage/mini/fold0_epoch1/predictions.parquet" in found


@pytest.mark.slow
def test_the_number_of_loader_workers_does_not_matter(copy: Work, finished: Work) -> None:
    run_program("hemorrhage_train_classifier", *copy.arguments, "--fold", 0, "--classifier.workers", 2)
    found, expected = outputs(copy), outputs(finished)
    kept = "checkpoints/hemorrhage/mini/mini.yaml"  # says how many there were
    assert {name for name in found if found[name] != expected[name]} == {kept}


def test_a_request_to_stop_saves_the_state_and_ends_with_143(copy: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    update = TrainingState.update

    def update_and_ask(state: TrainingState, loss: float) -> None:
        update(state, loss)
        if state.step == 1:
            ask_to_stop()

    monkeypatch.setattr(TrainingState, "update", update_and_ask)
    with pytest.raises(SystemExit) as ended:
        run_program("hemorrhage_train_classifier", *copy.arguments, "--fold", 0)
    assert ended.value.code == 143
    assert (copy.folder / "checkpoints/hemorrhage/mini/fold0/unfinished/state.pt").exists()


@pytest.mark.parametrize("choice", [("crop", "false"), pytest.param(("crop_boxes", "jpeg"), marks=pytest.mark.slow)])
def test_the_crop_of_the_embeddings_is_the_checkpoints_and_not_the_configurations(
    copy: Work, finished: Work, choice: tuple[str, str]
) -> None:
    other_crop = (*copy.arguments, f"--classifier.{choice[0]}", choice[1])
    run_program("hemorrhage_train_classifier", *other_crop, "--fold", 0)
    run_program("hemorrhage_extract_embeddings", *copy.arguments, "--fold", 0)  # says nothing of crop
    first = outputs(copy)["data/phantom/embeddings/mini/fold0/epoch0/identity.npy"]
    shutil.rmtree(copy.folder / "data/phantom/embeddings")
    run_program("hemorrhage_extract_embeddings", *other_crop, "--fold", 0)
    again = outputs(copy)["data/phantom/embeddings/mini/fold0/epoch0/identity.npy"]
    assert first == again != outputs(finished)["data/phantom/embeddings/mini/fold0/epoch0/identity.npy"]


def test_embeddings_are_stored_in_float32_on_request(copy: Work, finished: Work) -> None:
    run_program("hemorrhage_train_classifier", *copy.arguments, "--fold", 0)
    run_program("hemorrhage_extract_embeddings", *copy.arguments, "--fold", 0, "--embedding.dtype", "float32")
    stores = [work.folder / "data/phantom/embeddings/mini/fold0/epoch0/identity.npy" for work in (copy, finished)]
    full, half = (open_array(path) for path in stores)
    assert full.dtype == np.float32
    assert np.array_equal(full.astype(np.float16), half)
    assert not np.array_equal(full, half)


def test_changed_settings_are_refused_saying_what_differs(finished: Work) -> None:
    with pytest.raises(StaleOutput, match=r"learning_rate: 0\.001 -> 0\.5"):
        run_program("hemorrhage_train_classifier", *finished.arguments, "--classifier.learning_rate", 0.5)
    with pytest.raises(StaleOutput, match=r"views: "):
        run_program("hemorrhage_extract_embeddings", *finished.arguments, "--embedding.views", "[identity]")
    with pytest.raises(StaleOutput, match=r"packed: true -> false"):
        run_program("hemorrhage_train_sequence", *finished.arguments, "--sequence.packed", "false")


def test_a_sequence_loss_that_is_no_number_stops_naming_where_the_series_begin(
    finished: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_at(tmp_path / "work")
    copy_work(finished, work)
    monkeypatch.setattr(training, "hemorrhage_loss", lambda logits, _, weights: logits.sum(dim=-1) * torch.nan)
    with pytest.raises(BadInput, match=r"the loss is nan on the series that begin at rows \[\d+.*\] of slices"):
        run_program("hemorrhage_train_sequence", *work.arguments, "--fold", 0, "--force")


def test_another_data_set_is_predicted_with_the_models_of_the_experiment(finished: Work, tmp_path: Path) -> None:
    work = work_at(tmp_path / "work")
    copy_work(finished, work)
    from dicom_files import ct_file

    (tmp_path / "ct").mkdir()
    for z in range(5):
        content = ct_file(ImagePositionPatient=[0, 0, 5 * z], SeriesInstanceUID="1.2")
        (tmp_path / "ct" / f"I{z}0").write_bytes(content)
    run_program("rsna2019_prepare", *work.arguments, "--images", tmp_path / "ct", "--data_set", "own", "--jobs", 1)
    before = outputs(work)
    for program in ("hemorrhage_extract_embeddings", "hemorrhage_train_sequence"):
        run_program(program, *work.arguments, "--fold", 0, 1, "--apply-to", "own")
    run_program("hemorrhage_bag", *work.arguments, "--apply-to", "own")
    folder = work.folder / "preds/hemorrhage/mini/own"
    findings, studies = pd.read_csv(folder / "findings.csv"), pd.read_csv(folder / "studies.csv")
    assert findings["file"].tolist() == ["I00", "I10", "I20", "I30", "I40"]
    assert findings["position_mm"].tolist() == [0, 5, 10, 15, 20]
    assert set(studies["trained_on"]) == set(findings["trained_on"]) == {"phantom (PHANTOMS: drawn images, no patient)"}
    assert studies["warnings"].str.contains("model of phantoms").all()
    rule = read_rule(work.folder / "preds/hemorrhage/mini/study_rule.json")
    assert studies["rule"].tolist() == [rule.name]
    assert studies["scored_on"].tolist() == [rule.scored_on]
    after = outputs(work)
    assert all(after[name] == before[name] for name in before)


@pytest.mark.slow
def test_the_single_model_trains_on_everything_and_ends_with_a_submission(copy: Work) -> None:
    for program in ("hemorrhage_train_classifier", "hemorrhage_extract_embeddings", "hemorrhage_train_sequence"):
        run_program(program, *copy.arguments, "--fold", "all")
    run_program("hemorrhage_bag", *copy.arguments, "--fold", "all")
    folder = copy.folder / "preds/hemorrhage/mini"
    assert set(pd.read_parquet(folder / "foldall_epoch0/predictions.parquet")["split"]) == {"test"}
    assert (folder / "foldall/submission.csv.gz").exists()
    assert len(pd.read_csv(folder / "foldall/scores.csv")) == 0


def test_another_data_set_is_not_predicted_by_a_network_on_another_classifiers_embeddings(
    finished: Work, tmp_path: Path
) -> None:
    """The embeddings that the network was trained on are gone: what they were made by stands in its record."""
    work = work_at(tmp_path / "work")
    copy_work(finished, work)
    shutil.copytree(work.folder / "data/phantom", work.folder / "data/own", ignore=shutil.ignore_patterns("embeddings"))
    other = ("--fold", 0, "--classifier.learning_rate", 0.01)
    run_program("hemorrhage_train_classifier", *work.arguments, *other, "--force")
    shutil.rmtree(work.folder / "data/phantom/embeddings")
    run_program("hemorrhage_extract_embeddings", *work.arguments, *other, "--apply-to", "own")
    with pytest.raises(StaleOutput, match=r"sequence_epoch0 was trained on embeddings by another classifier"):
        run_program("hemorrhage_train_sequence", *work.arguments, *other, "--apply-to", "own")
    with pytest.raises(StaleOutput, match=r"was made from something else(.|\n)*hidden_units: 16 -> 8"):
        run_program(
            "hemorrhage_train_sequence", *work.arguments, *other, "--apply-to", "own", "--sequence.hidden_units", 8
        )
