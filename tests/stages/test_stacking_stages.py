"""Stages 42 and 43 on the phantoms: trained, predicted, killed and gone on, and where the networks look."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from processes import run_together
from safetensors.torch import load_file

from conftest import Work, copy_work, work_at
from help_paths import missing
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.predictions import read_predictions
from hounsfield.core.imaging.boxes import resize
from hounsfield.core.imaging.heat import on_whole_slice
from hounsfield.core.stages.command import parse, stage_parser
from hounsfield.core.stages.outputs import read_record
from hounsfield.core.training import blocks
from hounsfield.core.training.backbones import build_network
from hounsfield.core.training.state import TrainingState
from hounsfield.stacking.activation import series_activations
from hounsfield.stacking.config import TrainingConfig
from hounsfield.stacking.hu_images import read_hu
from killed_runs import files_left, killed_at
from programs import REPOSITORY, load_program, run_program

CONFIG = REPOSITORY / "tests" / "phantoms" / "mini_stacking.yaml"


PREDS = Path("preds") / "stacking" / "mini_stacking"


NETWORKS = ("--network", "byobnet")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, prepared: Work, phantom_archive: Path) -> Work:
    """The phantoms after stage 41."""
    work = work_at(tmp_path_factory.mktemp("stored") / "work", CONFIG)
    copy_work(prepared, work)
    run_program("stacking_data", *work.arguments, "--archive", phantom_archive, "--jobs", 1)
    return work


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory, stored: Work) -> Work:
    """The same after stages 42 and 43."""
    work = work_at(tmp_path_factory.mktemp("predicted") / "work", CONFIG)
    copy_work(stored, work)
    run_program("stacking_train", *work.arguments)
    run_program("stacking_predict", *work.arguments)
    return work


@pytest.fixture
def copy(tmp_path: Path, stored: Work) -> Work:
    """Stage 41's outputs, to go on from."""
    work = work_at(tmp_path / "work", CONFIG)
    copy_work(stored, work)
    return work


def outputs(work: Work) -> dict[str, bytes]:
    """What stages 42 and 43 wrote for one network, without what is of the moment."""
    return {
        name: content
        for name, content in files_left(work.folder).items()
        if name.startswith(("checkpoints/", "preds/")) and "/byobnet/" in name
    }


@pytest.mark.parametrize("stage", ["run_41_stacking_data", "run_42_stacking_train", "run_43_stacking_predict"])
def test_what_the_help_of_a_stage_promises_is_there(predicted: Work, stage: str) -> None:
    meant = {"data_set": "phantom", "experiment": "mini_stacking", "network": "resnet"}
    assert missing(predicted.folder, f"{stage}.sh", **meant) == []


def test_a_table_holds_the_folds_own_slices_and_the_test_slices_that_show_brain(predicted: Work) -> None:
    slices = pd.read_parquet(predicted.folder / "data/phantom/stacking/mini_stacking/slices.parquet")
    slices = slices[slices["hu_crc32"].notna()]
    for fold in (0, 1):
        path = predicted.folder / PREDS / "byobnet" / f"fold{fold}_epoch1" / "predictions.parquet"
        table = read_predictions(path, LABELS, remedy="")
        held_out = slices[(slices["fold"] == fold) | (slices["split"] == "test")]
        assert table["image_id"].tolist() == held_out["image_id"].tolist()
        assert (table["split"] == "test").tolist() == (held_out["split"] == "test").tolist()
        assert read_record(path.parent)["settings"]["fold"] == fold


@pytest.mark.slow
def test_killed_training_and_prediction_go_on_to_the_same_bytes(copy: Work, predicted: Work) -> None:
    for step in (2, 3, 4):
        with killed_at(step, TrainingState, "update"):
            run_program("stacking_train", *copy.arguments, *NETWORKS)
    run_program("stacking_train", *copy.arguments, *NETWORKS)
    with killed_at(3, blocks, "write_block"):
        run_program("stacking_predict", *copy.arguments, *NETWORKS)
    run_program("stacking_predict", *copy.arguments, *NETWORKS)
    found, expected = outputs(copy), outputs(predicted)
    assert found.keys() == expected.keys()
    assert {name for name in found if found[name] != expected[name]} == set()


@pytest.mark.slow
def test_two_processes_predict_to_the_same_bytes_as_one(copy: Work, predicted: Work, tmp_path: Path) -> None:
    shutil.copytree(predicted.folder / "checkpoints", copy.folder / "checkpoints")
    run_together(2, "stacking_predict", *copy.arguments, *NETWORKS, log=tmp_path / "log")
    found, expected = outputs(copy), outputs(predicted)
    assert {name for name in expected if name.startswith("preds") and found[name] != expected[name]} == set()


def test_training_settings_that_changed_are_refused_by_both_stages(predicted: Work) -> None:
    changed = ("--training.learning_rate", "0.5", *NETWORKS)
    with pytest.raises(StaleOutput, match=r"learning_rate: 0\.001 -> 0\.5"):
        run_program("stacking_train", *predicted.arguments, *changed)
    with pytest.raises(StaleOutput, match=r"learning_rate: 0\.001 -> 0\.5(.|\n)*run_42_\S+ .*--force"):
        run_program("stacking_predict", *predicted.arguments, *changed)


def test_every_network_fold_and_epoch_draws_its_own_passes(
    copy: Work, predicted: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(predicted.folder / "checkpoints", copy.folder / "checkpoints")
    seeds: list[int] = []

    class Opened(Exception):
        pass

    def open_and_leave(*arguments: object) -> None:
        seeds.append(arguments[-1])
        raise Opened

    monkeypatch.setattr("hounsfield.stacking.stages.predict.open_prediction_images", open_and_leave)
    for network in ("resnet", "byobnet"):
        for fold in (0, 1):
            for epoch in (0, 1):
                one = ("--network", network, "--fold", fold, "--prediction.epochs", f"[{epoch}]", "--force")
                with pytest.raises(Opened):
                    run_program("stacking_predict", *copy.arguments, *one)
    assert len(set(seeds)) == len(seeds) == 8


def test_prediction_has_a_precision_of_its_own(copy: Work, predicted: Work) -> None:
    shutil.copytree(predicted.folder / "checkpoints", copy.folder / "checkpoints")
    one = (*NETWORKS, "--fold", 0, "--prediction.epochs", "[1]")
    path = Path("byobnet", "fold0_epoch1", "predictions.parquet")
    found = {}
    for precision in ("fp32", "bf16"):
        run_program("stacking_predict", *copy.arguments, *one, "--prediction.precision", precision, "--force")
        table = read_predictions(copy.folder / PREDS / path, LABELS, remedy="")
        assert read_record((copy.folder / PREDS / path).parent)["settings"]["precision"] == precision
        found[precision] = table[list(CLASSES)].to_numpy()
    whole = read_predictions(predicted.folder / PREDS / path, LABELS, remedy="")
    np.testing.assert_array_equal(found["fp32"], whole[list(CLASSES)].to_numpy())  # `auto` on a CPU
    assert 0 < np.abs(found["bf16"] - found["fp32"]).max() < 0.1


@pytest.mark.parametrize("drops", [False, True])
def test_the_last_partial_batch_is_dropped_when_asked(copy: Work, monkeypatch: pytest.MonkeyPatch, drops: bool) -> None:
    steps = []
    update = TrainingState.update
    monkeypatch.setattr(TrainingState, "update", lambda state, loss: steps.append(1) or update(state, loss))
    slices = pd.read_parquet(copy.folder / "data/phantom/stacking/mini_stacking/slices.parquet")
    learnt = int(((slices["fold"] == 1) & slices["hu_crc32"].notna()).sum())
    size = learnt // 3 - (learnt % 3 == 0)  # three whole batches and a rest
    options = ("--training.epochs", 1, "--training.batch_size", size, "--training.drop_last_batch", str(drops).lower())
    run_program("stacking_train", *copy.arguments, *NETWORKS, "--fold", 0, *options)
    assert len(steps) == (learnt // size if drops else learnt // size + 1)
    assert learnt % size
    if drops:
        too_large = ("--training.epochs", 1, "--training.batch_size", learnt + 1, "--training.drop_last_batch", "true")
        with pytest.raises(BadInput, match=rf"{learnt} slices to train on are fewer than one batch of {learnt + 1}"):
            run_program("stacking_train", *copy.arguments, *NETWORKS, "--fold", 0, *too_large, "--force")


def test_an_unknown_network_or_fold_is_named(predicted: Work) -> None:
    with pytest.raises(WrongUse, match="--network vgg: the configuration has resnet, byobnet"):
        run_program("stacking_train", *predicted.arguments, "--network", "vgg")
    with pytest.raises(WrongUse, match="fold 7: there are 2; give 0 to 1"):
        run_program("stacking_predict", *predicted.arguments, "--fold", 7)


def test_prediction_without_training_names_the_stage(copy: Work) -> None:
    with pytest.raises(MissingInput, match=r"resnet/fold0 is missing; make it with: .*bin/run_42_"):
        run_program("stacking_predict", *copy.arguments)


def test_where_the_classifiers_look_is_the_mean_over_those_that_answer_for_a_series(predicted: Work) -> None:
    stage = load_program("stacking_predict").STAGE
    command = parse(stage_parser(stage), stage, list(predicted.arguments))
    slices = pd.read_parquet(predicted.folder / "data/phantom/stacking/mini_stacking/slices.parquet")
    for split, folds in (("test", (0, 1)), ("train", (1,))):
        own = slices[(slices["split"] == split) & (slices["fold"].isna() | (slices["fold"] == 1))]
        own = own[own["series"] == own["series"].iloc[0]]
        found = series_activations(command, "stage", own["image_id"])
        seen = own["hu_crc32"].notna().to_numpy()
        assert not found[~seen].any()
        expected = [
            looked_at(predicted.folder, name, fold, own["image_id"][seen], command.config.training)
            for name in ("resnet", "byobnet")
            for fold in folds
        ]
        np.testing.assert_allclose(found[seen], np.mean(expected, axis=0), atol=1e-5)


def looked_at(work: Path, network: str, fold: int, images: pd.Series, config: TrainingConfig) -> np.ndarray:
    """The last features after the last epoch, weighted by the last layer, over the whole slice: (n, 6, G, G)."""
    model = build_network(f"test_{network}", 6).eval()
    weights = work / f"checkpoints/stacking/mini_stacking/{network}/fold{fold}/epoch1.safetensors"
    model.load_state_dict(load_file(weights))
    found = []
    for image in images:
        (path,) = (work / "data/phantom/hu").glob(f"*/{image}.jls")
        hu = read_hu(path, zlib.crc32(path.read_bytes()), remedy="")
        windows = np.stack([hu.clip(low, high) for low, high in ((0, 80), (-20, 180), (-150, 230))], axis=-1)
        seen = (resize(windows.astype(np.float32), 64) - config.mean) / config.std
        with torch.no_grad():
            features = model.forward_features(torch.from_numpy(seen).permute(2, 0, 1)[None].float())[0]
            maps = torch.einsum("ck,kij->cij", model.get_classifier().weight, features).relu()
        found.append(on_whole_slice(maps.numpy() / (features.shape[-1] * features.shape[-2])))
    return np.stack(found)
