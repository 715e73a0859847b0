"""Stages 54 and 55 on made-up necks: what they leave, whom it has seen, where it goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hounsfield.competitions.rsna2022.labels import LABELS
from hounsfield.competitions.rsna2022.tables import open_data_set, read_studies
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, read_predictions
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.storage.files import read_json
from hounsfield.core.training.state import TrainingState
from killed_runs import Killed, files_left
from programs import run_program
from spine.found_necks import found_boxes, found_pseudo_labels
from spine.made_data import DATA_SET, made_necks

CONFIG = """
data_set: made_necks
folds: [0, 1]
threads: 1
workers: 0
save_every: 1
excluded: [1.2.005]
windows: {slices: 12, train_step: 12, predict_step: 12}
fracture:
  models:
    - name: small
      network: {backbone: test_resnet, size: 32}
      optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 2, batch_size: 4, accumulate: 2}
      seeds: [7, 8]
  refit: true
study:
  optimizer: {learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: 2, batch_size: 2}
  hidden: 8
  steps: 6
  chunk: 5
"""
NAME = "necks"
FOLD0, FOLD1 = [f"p{number:03d}" for number in (0, 2, 4)], [f"p{number:03d}" for number in (1, 3, 5)]


def with_necks(work: Path, *, config: str = CONFIG, **found: tuple[str, ...]) -> Path:
    """A work folder with what stages 51 to 53 leave, and the configuration."""
    made_necks(work, unsegmented=2)
    found_boxes(work, NAME, **found)
    found_pseudo_labels(work, NAME)
    (work / f"{NAME}.yaml").write_text(config)
    return work


def train(work: Path, stage: str, *arguments: object) -> None:
    run_program(f"spine_{stage}", "--config", work / f"{NAME}.yaml", "--work", work, *arguments)


def run_of(work: Path, stage: str, name: str) -> Path:
    return work / "checkpoints" / "spine" / NAME / stage / "small" / name


def predictions_of(work: Path, fold: int) -> Path:
    return work / "preds" / "spine" / NAME / "study" / "small" / f"fold{fold}_seed7"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stages, all folds. Tests that change something copy the work folder first."""
    work = with_necks(tmp_path_factory.mktemp("trained"), fallback=("1.2.002",))
    train(work, "fracture")
    train(work, "study")
    return work


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "work")


def test_a_fold_has_a_network_by_the_first_seed_and_all_studies_one_by_each(trained: Path) -> None:
    for stage in ("fracture", "study"):
        found = sorted(path.name for path in run_of(trained, stage, "").iterdir())
        assert found == ["fold0_seed7", "fold1_seed7", "foldall_seed7", "foldall_seed8"]
    weights = [load_file(run_of(trained, "study", f"foldall_seed{seed}") / "weights.safetensors") for seed in (7, 8)]
    assert not torch.equal(*(one["study.head.weight"] for one in weights))


def test_each_fold_has_a_table_of_its_studies_and_all_studies_have_none(trained: Path) -> None:
    """Published: the network of all studies was validated on fold 0, which it had learnt from (defect 19)."""
    studies = read_studies(open_data_set(trained, DATA_SET, lambda stage, *_: stage))
    for fold in (0, 1):
        table = read_predictions(predictions_of(trained, fold) / "rows.parquet", LABELS, remedy="")
        assert table["study_uid"].tolist() == studies.loc[studies["fold"] == fold, "study_uid"].tolist()
        assert set(table["split"]) == {OUT_OF_FOLD}
    assert sorted(path.name for path in predictions_of(trained, 0).parent.iterdir()) == ["fold0_seed7", "fold1_seed7"]


def test_the_slice_network_is_bit_for_bit_that_of_stage_54(trained: Path) -> None:
    """Weights and running statistics; published, the statistics moved on with each batch (defect 10)."""
    for name in ("fold0_seed7", "foldall_seed8"):
        before = load_file(run_of(trained, "fracture", name) / "weights.safetensors")
        after = load_file(run_of(trained, "study", name) / "weights.safetensors")
        frames = [one for one in before if one.startswith("frames.")]
        assert any("running_mean" in one for one in frames)
        assert all(torch.equal(before[one], after[one]) for one in frames)


def test_the_ledger_tells_whom_a_network_has_seen_and_whom_through_pseudo_labels_and_boxes(trained: Path) -> None:
    """Fold 0's networks learn from fold 1's studies, whose boxes come from networks that saw fold 0 (defect 20)."""
    for stage in ("fracture", "study"):  # the last study of fold 1 is excluded, that of fold 0 has no segmentation
        learned = Ledger.read(run_of(trained, stage, "fold0_seed7") / "learned.parquet")
        assert list(learned.roles_of(np.array(FOLD1))) == ["train", "train", ""]
        assert list(learned.roles_of(np.array(FOLD0))) == ["upstream", "upstream", ""]
    record = read_json(predictions_of(trained, 0) / "output.json")
    assert record["facts"]["by_design"]["roles"] == ["upstream"]
    assert "second-order" in record["facts"]["by_design"]["words"]
    every = Ledger.read(run_of(trained, "study", "foldall_seed7") / "learned.parquet")
    assert list(every.roles_of(np.array([*FOLD0, *FOLD1[:2]]))) == ["train"] * 5


def test_what_is_trained_is_not_trained_again(copied: Path) -> None:
    before = files_left(copied)
    train(copied, "fracture")
    train(copied, "study")
    assert files_left(copied) == before


@pytest.mark.parametrize("stage", ["fracture", pytest.param("study", marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_bytes(
    tmp_path: Path, trained: Path, copied: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    shutil.rmtree(run_of(copied, stage, "fold0_seed7"))
    update, taken = TrainingState.update, [0]

    def die(state: TrainingState, loss: float) -> None:
        update(state, loss)
        taken[0] += 1
        if taken[0] == 2:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(TrainingState, "update", die)
        train(copied, stage, "--fold", 0)
    train(copied, stage, "--fold", 0)
    assert files_left(run_of(copied, stage, "fold0_seed7")) == files_left(run_of(trained, stage, "fold0_seed7"))


@pytest.mark.slow
def test_published_statistics_of_the_slice_network_move_on_where_they_are_asked_for(copied: Path) -> None:
    train(copied, "study", "--fold", 0, "--study.train_statistics", "true", "--force")
    before = load_file(run_of(copied, "fracture", "fold0_seed7") / "weights.safetensors")
    after = load_file(run_of(copied, "study", "fold0_seed7") / "weights.safetensors")
    moved = [one for one in before if one.startswith("frames.") and not torch.equal(before[one], after[one])]
    assert moved
    assert all("running" in one or "num_batches" in one for one in moved)


def test_a_network_of_stage_54_that_is_missing_is_named_with_its_command(copied: Path) -> None:
    shutil.rmtree(run_of(copied, "fracture", "fold0_seed7"))
    with pytest.raises(MissingInput, match=r"fold0_seed7 is missing; make it with: .*run_54_spine_fracture\.sh"):
        train(copied, "study")


def test_a_network_trained_anew_makes_the_study_network_over_it_stale(copied: Path) -> None:
    train(copied, "fracture", "--fold", 0, "--force", "--seed", 43)
    with pytest.raises(StaleOutput, match="fold0_seed7 was made from something else"):
        train(copied, "study", "--seed", 43)


def test_a_study_without_even_the_fallback_box_is_named(tmp_path: Path) -> None:
    work = with_necks(tmp_path, without=("1.2.003",))
    with pytest.raises(BadInput, match=r"1 studies have no box, the first is 1\.2\.003"):
        train(work, "fracture", "--fold", 0)


MODEL = CONFIG[CONFIG.index("    - name: small") : CONFIG.index("  refit:")]


@pytest.mark.parametrize("stage", ["fracture", "study"])
@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ((MODEL, MODEL + MODEL), "fracture.models: give one model or more, each with a name of its own"),
        (("seeds: [7, 8]", "seeds: []"), r"small: seeds \[\]: give one seed or more"),
        (("seeds: [7, 8]", "seeds: [7, 7]"), r"small: seeds \[7, 7\]: give one seed or more, each once"),
        (("backbone: test_resnet", "backbone: test_resnat"), "test_resnat"),
        (("slices: 12", "slices: 13"), "windows.slices 13: give a multiple of 3"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_wrong_use(
    tmp_path: Path, stage: str, change: tuple[str, str], fact: str
) -> None:
    assert change[0] in CONFIG
    (tmp_path / f"{NAME}.yaml").write_text(CONFIG.replace(*change))
    with pytest.raises(WrongUse, match=fact):
        train(tmp_path, stage)
