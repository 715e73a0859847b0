"""Stage 53 on made-up necks: what its models learn from, who answers for whom, and what the pseudo-labels are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hounsfield.competitions.rsna2022.labels import VERTEBRAE as NAMES
from hounsfield.competitions.rsna2022.tables import open_data_set, read_slices, read_studies
from hounsfield.core.errors import MissingInput, StaleOutput, WrongUse
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.training.state import TrainingState
from hounsfield.spine.box_quality import peaks_of
from hounsfield.spine.paths import VERTEBRAE, pseudo_labels_folder
from hounsfield.spine.ratio_inference import pseudo_labels
from hounsfield.spine.tables import FRACTURE_TARGETS, RATIO_PREDICTIONS, read_pseudo_labels
from killed_runs import files_left, killed_at
from spine.found_necks import found_boxes
from spine.made_data import DATA_SET, made_necks
from spine.necks import CONFIG, EXPERIMENT, run_stage

SUBJECT = "spine_vertebrae"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both models of both folds, and the pseudo-labels. Tests that change something copy the work folder first."""
    work = tmp_path_factory.mktemp("trained")
    made_necks(work, train=5, test=1, unsegmented=1, slices=(20, 34))
    found_boxes(work, EXPERIMENT)
    run_stage(work, SUBJECT, config=CONFIG.replace("excluded: []", "excluded: [1.2.001]"))
    return work


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "work")


def again(work: Path, *arguments: object, change: tuple[str, str] = ("", "")) -> None:
    assert change[0] in CONFIG
    run_stage(work, SUBJECT, *arguments, config=CONFIG.replace("excluded: []", "excluded: [1.2.001]").replace(*change))


def labels_at(work: Path) -> Upstream:
    return require(work, pseudo_labels_folder(work, DATA_SET, EXPERIMENT), VERTEBRAE, lambda stage, *_: stage)


def networks(work: Path) -> Path:
    return work / "checkpoints" / "spine" / EXPERIMENT / "vertebrae"


def test_every_slice_of_every_study_with_labels_has_pseudo_labels(trained: Path) -> None:
    studies = read_studies(open_data_set(trained, DATA_SET, str))
    labelled = studies[studies["split"] == "train"].set_index("study_uid")
    table = read_pseudo_labels(labels_at(trained))
    expected = [(uid, z) for uid, count in labelled["slices"].items() for z in range(count)]
    assert list(zip(table["study_uid"], table["slice"], strict=True)) == expected
    ratios = table[list(RATIO_PREDICTIONS)].to_numpy()
    assert ratios.min() >= 0
    assert ratios.max() <= 1
    labels = labelled.loc[table["study_uid"], list(NAMES)].to_numpy(np.float32)
    np.testing.assert_allclose(table[list(FRACTURE_TARGETS)].to_numpy(), ratios * labels, atol=1e-7)
    of_fold = table.groupby("study_uid")["models"].unique().explode()
    assert of_fold["1.2.000"] == "whole sparse fold0 seeds 0"
    assert of_fold["1.2.001"] == "whole sparse fold1 seeds 0"


def test_each_model_learns_from_segmented_studies_of_the_other_folds_and_one_from_the_bad_scans_too(
    trained: Path,
) -> None:
    patients = np.array(["p000", "p001", "p002", "p003", "p004", "p005"])
    whole = Ledger.read(networks(trained) / "whole" / "fold0_seed0" / "learned.parquet")
    assert list(whole.roles_of(patients)) == ["", "train", "", "train", "", ""]
    sparse = Ledger.read(networks(trained) / "sparse" / "fold0_seed0" / "learned.parquet")
    # boxes of fold 1, to which it crops, were found by networks that have seen the segmented patients of fold 0
    assert list(sparse.roles_of(patients)) == ["upstream", "", "upstream", "train", "", ""]


def test_no_study_is_answered_by_networks_that_were_trained_on_it(trained: Path) -> None:
    ledger, studies = labels_at(trained).learned(), read_studies(open_data_set(trained, DATA_SET, str))
    labelled = studies[studies["split"] == "train"]
    roles = ledger.roles_by_fold(labelled["patient_id"].to_numpy(), labelled["fold"].to_numpy())
    assert list(roles) == ["upstream", "upstream", "upstream", "upstream", ""]


def test_what_is_there_is_not_made_again(copied: Path) -> None:
    before = files_left(copied)
    again(copied)
    assert files_left(copied) == before


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_run_killed_in_any_step_goes_on_to_the_same_bytes(tmp_path: Path, trained: Path, step: int) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained / "data", work / "data", ignore=shutil.ignore_patterns("pseudo_labels"))
    with killed_at(step + 1, TrainingState, "update"):
        again(work)
    again(work)
    assert files_left(work / "data") == files_left(trained / "data")
    assert files_left(networks(work)) == files_left(networks(trained))


def test_folds_that_are_named_are_trained_alone(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained / "data", work / "data", ignore=shutil.ignore_patterns("pseudo_labels"))
    again(work, "--fold", 1)
    assert {path.name for path in networks(work).rglob("fold*")} == {"fold1_seed0"}
    message = capsys.readouterr().err
    assert "fold0_seed0 is missing; make it with" in message
    assert "FOLDS" not in message


def test_boxes_that_were_made_anew_make_the_models_stale_that_rest_on_them(copied: Path) -> None:
    found_boxes(copied, EXPERIMENT, fallback=("1.2.000",))
    with pytest.raises(StaleOutput, match=r"sparse.*made from something else"):
        again(copied)
    whole = files_left(networks(copied) / "whole")
    again(copied, "--force")
    assert files_left(networks(copied) / "whole") == whole
    assert files_left(networks(copied) / "sparse")


def test_boxes_that_are_missing_are_named_with_the_command_that_finds_them(tmp_path: Path) -> None:
    made_necks(tmp_path)
    with pytest.raises(MissingInput, match=r"boxes/necks is missing; make it with: .*run_52_spine_boxes\.sh"):
        run_stage(tmp_path, SUBJECT)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("name: sparse", "name: whole"), r"vertebrae\.models"),
        (("folds: [0, 1]", "folds: [1]"), "those of fold 0 are missing"),
        (("slices: 24", "slices: 25"), r"windows\.slices 25"),
        (("slices: 24", "slices: 6"), r"windows\.train_step 8"),
        (("seeds: [0]", "seeds: []"), r"vertebrae\.seeds"),
    ],
)
def test_settings_that_contradict_each_other_are_wrong_use(trained: Path, change: tuple[str, str], fact: str) -> None:
    with pytest.raises(WrongUse, match=fact):
        again(trained, change=change)


def test_pseudo_labels_are_the_models_mean_cut_to_a_share_and_rounded_on_request() -> None:
    studies = pd.DataFrame({"study_uid": ["b", "a"], **{name: [1.0, np.nan] for name in NAMES}})
    first = [np.full((2, 7), 0.1234567), np.full((1, 7), 1.5)]
    second = [np.full((2, 7), 0.2), np.full((1, 7), 0.7)]
    table = pseudo_labels(studies, [first, second], ["one", "two"], 3)
    assert table[["study_uid", "slice", "models"]].to_numpy().tolist() == [
        ["a", 0, "two"],
        ["b", 0, "one"],
        ["b", 1, "one"],
    ]
    assert table["C3_pred"].tolist() == [1.0, 0.162, 0.162]
    assert table["C3_frac"].tolist()[1:] == [0.162, 0.162]
    assert np.isnan(table["C3_frac"][0])
    exact = pseudo_labels(studies, [first, second], ["one", "two"], None)
    assert exact["C3_pred"][1] == pytest.approx(0.16172835)


@pytest.mark.slow
def test_a_studys_pseudo_labels_do_not_change_with_the_studies_beside_it(trained: Path, tmp_path: Path) -> None:
    """The batch to predict holds one window in place of three, which share a batch with those of other studies."""
    before = read_pseudo_labels(labels_at(trained))
    work = shutil.copytree(trained, tmp_path / "work")
    shutil.rmtree(labels_at(work).folder)
    patched = "hounsfield.spine.ratio_inference.windows_at_a_time"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patched, lambda _: 1)
        again(work)
    after = read_pseudo_labels(labels_at(work))
    columns = [*RATIO_PREDICTIONS, *FRACTURE_TARGETS]
    np.testing.assert_allclose(after[columns].to_numpy(), before[columns].to_numpy(), atol=1e-6)


@pytest.mark.slow
def test_the_ratio_networks_learn_where_each_vertebra_is(tmp_path: Path) -> None:
    made_necks(tmp_path, train=16, test=0)
    found_boxes(tmp_path, EXPERIMENT)
    learns = CONFIG.replace("epochs: 1", "epochs: 10").replace("train_step: 8", "train_step: 2")
    learns = learns[: learns.index("    - name: sparse")].replace("crop: false", "crop: true") + "  seeds: [0]\n"
    run_stage(tmp_path, SUBJECT, config=learns)
    slices = read_slices(open_data_set(tmp_path, DATA_SET, str))
    true = slices.rename(columns={f"{name}_ratio": f"{name}_pred" for name in NAMES})
    found = read_pseudo_labels(labels_at(tmp_path))
    off = (peaks_of(found) - peaks_of(true)).abs()
    assert off.to_numpy().mean() < 1.5  # slices
    assert (np.diff(peaks_of(found).to_numpy(), axis=1) > 0).all(axis=1).mean() > 0.7
