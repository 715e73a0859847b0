"""Stage 52 on made-up necks: what it trains, who answers for whom, and where it goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hounsfield.competitions.rsna2022.tables import open_data_set, read_slices, read_studies
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.files import read_json
from hounsfield.core.training.state import TrainingState
from hounsfield.spine.box_quality import box_overlap, true_boxes
from hounsfield.spine.boxes import read_boxes
from hounsfield.spine.paths import BOXES, boxes_folder
from killed_runs import files_left, killed_at
from spine.made_data import DATA_SET, made_necks
from spine.necks import CONFIG, EXPERIMENT, run_stage

SUBJECT = "spine_boxes"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both folds and the boxes. Tests that change something copy the work folder first."""
    work = tmp_path_factory.mktemp("trained")
    made_necks(work, train=5, test=1, unsegmented=1, slices=(18, 24))
    run_stage(work, SUBJECT)
    return work


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "work")


def boxes_at(work: Path, data_set: str = DATA_SET) -> Upstream:
    return require(work, boxes_folder(work, data_set, EXPERIMENT), BOXES, lambda stage, *_: stage)


def networks(work: Path) -> Path:
    return work / "checkpoints" / "spine" / EXPERIMENT / "boxes" / "localizer"


def test_every_study_has_a_box_within_its_slices(trained: Path) -> None:
    studies = read_studies(open_data_set(trained, DATA_SET, str)).set_index("study_uid")
    boxes = read_boxes(boxes_at(trained)).set_index("study_uid")
    assert list(boxes.index) == list(studies.index)
    for study, box in boxes.iterrows():
        assert 0 <= box["x0"] < box["x1"] <= studies["columns"][study]
        assert 0 <= box["y0"] < box["y1"] <= studies["rows"][study]
        assert 0 <= box["first_slice"] <= box["last_slice"] < studies["slices"][study]


def test_each_fold_and_seed_is_trained_on_segmented_studies_of_the_other_folds(trained: Path) -> None:
    assert {path.name for path in networks(trained).iterdir()} == {f"fold{k}_seed{s}" for k in (0, 1) for s in (0, 1)}
    ledger = Ledger.read(networks(trained) / "fold0_seed1" / "learned.parquet")
    roles = ledger.roles_of(np.array(["p000", "p001", "p002", "p003", "p004", "p005"]))
    assert list(roles) == ["", "train", "", "train", "", ""]  # p004 is not segmented, p005 has no labels
    facts = read_json(networks(trained) / "fold0_seed1" / "weights.json")
    assert facts["seeds"] == [42, 1]
    weights = [(networks(trained) / f"fold0_seed{seed}" / "weights.safetensors").read_bytes() for seed in (0, 1)]
    assert weights[0] != weights[1]


def test_no_study_is_answered_by_networks_that_have_seen_it(trained: Path) -> None:
    ledger = boxes_at(trained).learned()
    studies = read_studies(open_data_set(trained, DATA_SET, str))
    labelled = studies[studies["split"] == "train"]
    assert not any(ledger.roles_by_fold(labelled["patient_id"].to_numpy(), labelled["fold"].to_numpy()))
    assert set(ledger.roles_of(np.array(["p000", "p001"]), "foldall")) == {"train"}


def test_what_is_there_is_not_made_again(copied: Path) -> None:
    before = files_left(copied)
    run_stage(copied, SUBJECT)
    assert files_left(copied) == before


def test_boxes_that_are_replaced_leave_the_networks_that_found_them_unless_these_are_damaged(copied: Path) -> None:
    before, changed = files_left(networks(copied)), CONFIG.replace("seeds: [0, 1]", "seeds: [0, 1]\n  quantile: 0.1")
    weights = networks(copied) / "fold1_seed0" / "weights.safetensors"
    made = {path: path.stat().st_mtime_ns for path in networks(copied).rglob("weights.safetensors")}
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(StaleOutput, match="quantile"):
        run_stage(copied, SUBJECT, config=changed)
    run_stage(copied, SUBJECT, "--force", config=changed)
    assert files_left(networks(copied)) == before
    assert [path for path, then in made.items() if path.stat().st_mtime_ns != then] == [weights]


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_a_run_killed_in_any_step_goes_on_to_the_same_bytes(tmp_path: Path, trained: Path, step: int) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained / "data", work / "data", ignore=shutil.ignore_patterns("boxes"))
    with killed_at(step + 1, TrainingState, "update"):
        run_stage(work, SUBJECT, "--fold", 0)
    run_stage(work, SUBJECT, "--fold", 0)
    expected = files_left(networks(trained))
    assert files_left(networks(work)) == {
        name: content for name, content in expected.items() if name.startswith("fold0")
    }


def test_folds_that_are_named_are_trained_alone_and_the_last_one_brings_the_boxes(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained / "data", work / "data", ignore=shutil.ignore_patterns("boxes"))
    shutil.copytree(networks(trained).parent / "localizer", networks(work), ignore=shutil.ignore_patterns("fold1*"))
    run_stage(work, SUBJECT, "--fold", 0)
    assert "fold1_seed0 is missing; make it with" in capsys.readouterr().err
    with pytest.raises(MissingInput, match=r"boxes.* is missing; make it with: "):
        boxes_at(work)
    run_stage(work, SUBJECT, "--fold", 1)
    assert files_left(work / "data") == files_left(trained / "data")


def test_studies_of_another_data_set_get_boxes_whatever_else_is_among_them(copied: Path) -> None:
    made_necks(copied, train=4, test=2, slices=(18, 24), data_set="others")
    made_necks(copied, train=1, test=0, slices=(18, 24), data_set="one")
    before = files_left(networks(copied))
    for data_set in ("others", "one"):
        run_stage(copied, SUBJECT, "--apply-to", data_set)
    assert files_left(networks(copied)) == before
    others, one = (read_boxes(boxes_at(copied, name)).set_index("study_uid") for name in ("others", "one"))
    assert len(others) == 6
    assert list(others.loc["1.2.000"]) == pytest.approx(list(one.loc["1.2.000"]), abs=1e-6)


def test_networks_that_are_missing_are_named_with_the_command_that_trains_them(tmp_path: Path) -> None:
    made_necks(tmp_path, train=1, test=0, data_set="others")
    with pytest.raises(MissingInput, match=r"fold0_seed0 is missing; make it with: (?!.*DATA_SET).*run_52_spine_boxes"):
        run_stage(tmp_path, SUBJECT, "--apply-to", "others")


@pytest.mark.slow
def test_studies_without_labels_are_answered_by_networks_of_all_studies_where_these_are_trained(copied: Path) -> None:
    config = CONFIG.replace("refit: false", "refit: true").replace("seeds: [0, 1]", "seeds: [0]")
    with pytest.raises(StaleOutput, match=r"refit: false -> true"):
        run_stage(copied, SUBJECT, config=config)
    before = read_boxes(boxes_at(copied))
    shutil.rmtree(boxes_at(copied).folder)
    run_stage(copied, SUBJECT, config=config)
    ledger = Ledger.read(networks(copied) / "foldall_seed0" / "learned.parquet")
    assert set(ledger.roles_of(np.array([f"p00{number}" for number in range(4)]))) == {"train"}
    after = read_boxes(boxes_at(copied))
    assert not before.iloc[5].equals(after.iloc[5])


def test_excluded_studies_are_not_trained_on_and_get_boxes(copied: Path) -> None:
    config = CONFIG.replace("excluded: []", "excluded: [1.2.001]")
    with pytest.raises(StaleOutput, match="excluded"):
        run_stage(copied, SUBJECT, config=config)
    run_stage(copied, SUBJECT, "--force", "--fold", 0, config=config)
    roles = Ledger.read(networks(copied) / "fold0_seed0" / "learned.parquet").roles_of(np.array(["p001", "p003"]))
    assert list(roles) == ["", "train"]


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("folds: [0, 1]", "folds: [0]"), "those of fold 1 are missing"),
        (("seeds: [0, 1]", "seeds: [1, 1]"), r"boxes\.seeds \[1, 1\]"),
        (("seeds: [0, 1]", "seeds: []"), r"boxes\.seeds"),
        (("backbone: test_resnet, size: 32}\n  optimizer", "backbone: test_vit, size: 32}\n  optimizer"), "test_vit"),
        (("seeds: [0, 1]", "fallback_box: [0.8, 0.2, 0.2, 0.8]"), r"boxes\.fallback_box .* x0 below x1"),
        (("seeds: [0, 1]", "fallback_box: [0.2, 0.2, 0.8, 2.8]"), r"boxes\.fallback_box .* from 0 to 1"),
        (("seeds: [0, 1]", "quantile: 0.9"), r"boxes\.quantile 0\.9: .* below 0\.5"),
        (("seeds: [0, 1]", "label_smoothing: 0.6"), r"boxes\.label_smoothing 0\.6: .* below 0\.5"),
        (("excluded: []", "intensity: {low: 10, high: 10}"), "from 10 to 10 HU"),
    ],
)
def test_settings_that_contradict_each_other_are_wrong_use(trained: Path, change: tuple[str, str], fact: str) -> None:
    assert change[0] in CONFIG
    with pytest.raises(WrongUse, match=fact):
        run_stage(trained, SUBJECT, config=CONFIG.replace(*change))


def test_a_fold_without_segmentations_to_train_on_is_refused_before_another_one_is_trained(tmp_path: Path) -> None:
    made_necks(tmp_path, train=4, test=0, unsegmented=3)
    with pytest.raises(BadInput, match="fold 0 seed 0: the data set has no segmented study"):
        run_stage(tmp_path, SUBJECT, config=CONFIG.replace("folds: [0, 1]", "folds: [1, 0]"))
    assert not networks(tmp_path).exists()


@pytest.mark.slow
def test_the_localiser_learns_where_the_neck_is(tmp_path: Path) -> None:
    made_necks(tmp_path, train=16, test=0)
    learns = (
        CONFIG.replace("size: 32", "size: 48").replace("epochs: 2", "epochs: 8").replace("seeds: [0, 1]", "seeds: [0]")
    )
    run_stage(tmp_path, SUBJECT, config=learns)
    true = true_boxes(read_slices(open_data_set(tmp_path, DATA_SET, str)))[["x0", "y0", "x1", "y1"]].to_numpy(float)
    found = read_boxes(boxes_at(tmp_path))[["x0", "y0", "x1", "y1"]].to_numpy(float)
    assert box_overlap(found, true).mean() > 0.5
    centres, wanted = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (found, true))
    off = np.abs(centres - wanted).mean(axis=0)
    assert (off < 0.5 * np.abs(np.median(wanted, axis=0) - wanted).mean(axis=0)).all()
