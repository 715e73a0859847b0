"""Stage 46: runs of two systems averaged, scored beside each other, and refused where they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import Work, copy_work, work_at
from help_paths import missing
from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.evaluation.predictions import read_predictions, write_predictions
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.outputs import Provenance, output, read_record
from hounsfield.hemorrhage.paths import BAG
from hounsfield.stacking.paths import AVERAGE, ENSEMBLE
from programs import run_program
from synthetic_runs import seen_by

TABLES = {BAG: "bag.parquet", AVERAGE: ENSEMBLE}  # what each system leaves for the bag of both


def system(work: Work, name: str, stage: str, seed: int, change: Callable = lambda it: it, folds: str = "01") -> Path:
    """A system's finished predictions: the truth, more or less. folds: those that models of 0 and 1 did not see."""
    data = open_data_set(work.folder, "phantom", str)
    rows = read_slices(data)
    rng = np.random.default_rng(seed)
    truth = rows[list(CLASSES)].fillna(0).to_numpy(np.float64)
    frame = pd.DataFrame((0.6 * truth + 0.2 + rng.uniform(-0.15, 0.15, truth.shape)), columns=list(CLASSES))
    frame.insert(0, "image_id", rows["image_id"].to_numpy())
    frame.insert(1, "split", np.where(rows["split"] == "test", "test", "out-of-fold"))
    folder = work.folder / "preds" / name
    learned = Ledger.joined(Ledger.of("phantom", seen_by(rows, k), part=fold_part(i)) for i, k in enumerate(folds))
    with output(folder, Provenance(stage, {}, {"data set": data.as_input()}), force=True, remedy="") as out:
        write_predictions(folder / TABLES[stage], LABELS, change(frame))
        out.finish([TABLES[stage]], learned=learned)
    return folder


@pytest.fixture
def two_systems(tmp_path: Path, prepared: Work) -> tuple[Work, list[Path]]:
    """Two finished systems on the phantoms."""
    work = work_at(tmp_path / "work")
    copy_work(prepared, work)
    named = zip(("hemorrhage/one", "stacking/two"), TABLES, strict=True)
    return work, [system(work, name, stage, seed) for seed, (name, stage) in enumerate(named)]


def bag(work: Work, *arguments: object) -> None:
    run_program("bagged_submission", "--work", work.folder, *arguments)


def test_a_bag_of_systems_is_their_weighted_mean_and_is_scored_beside_them(
    two_systems: tuple[Work, list[Path]],
) -> None:
    work, folders = two_systems
    bag(work, "--runs", *folders, "--weights", 3, 1)
    folder = work.folder / "preds" / "bags" / "hemorrhage_one_and_stacking_two"
    assert missing(work.folder, "run_46_bag_of_systems.sh", name=folder.name) == []
    found = pd.read_csv(folder / "submission.csv.gz").set_index("ID")["Label"]
    tables = [
        read_predictions(path, LABELS, remedy="").set_index("image_id")
        for path in (folders[0] / "bag.parquet", folders[1] / "ensemble.parquet")
    ]
    image = tables[0].index[tables[0]["split"] == "test"][0]
    for name in CLASSES:
        expected = 0.75 * tables[0].loc[image, name] + 0.25 * tables[1].loc[image, name]
        assert found[f"{image}_{name}"] == pytest.approx(expected, abs=1e-9)
    scores = pd.read_csv(folder / "scores.csv")
    assert scores["system"].tolist() == ["hemorrhage", "stacking", "blend"]
    first, second, blend = scores["weighted_log_loss"]
    assert blend < 0.75 * first + 0.25 * second  # log loss is convex


def test_fitted_weights_are_written_and_the_blend_is_scored_on_other_patients(
    two_systems: tuple[Work, list[Path]],
) -> None:
    work, folders = two_systems
    bag(work, "--runs", *folders, "--fit-weights", "--name", "both")
    scores = pd.read_csv(work.folder / "preds/bags/both/scores.csv")
    assert scores["models"].iloc[2] == "weights fitted on other patients than those scored"
    assert scores["ledger"].iloc[2].startswith("weights fitted on predictions")
    record = read_record(work.folder / "preds/bags/both")
    assert record["settings"]["fitted"]
    assert set(record["facts"]["weights"]) == {"hemorrhage/one", "stacking/two"}


def test_systems_with_different_test_slices_are_refused_naming_them(two_systems: tuple[Work, list[Path]]) -> None:
    work, folders = two_systems
    table = read_predictions(folders[1] / "ensemble.parquet", LABELS, remedy="")
    missing = table["image_id"][table["split"] == "test"].iloc[0]
    system(work, "stacking/two", list(TABLES)[1], 1, lambda frame: frame[frame["image_id"] != missing])
    with pytest.raises(BadInput, match=rf"1 test rows of the other runs are missing here.*{missing}"):
        bag(work, "--runs", *folders)


def test_a_system_that_has_seen_the_scored_patients_is_refused(two_systems: tuple[Work, list[Path]]) -> None:
    work, folders = two_systems
    system(work, "stacking/two", list(TABLES)[1], 1, folds="10")
    with pytest.raises(BadInput, match=r"\(two\): 12 of 12 patients .*: CONFIG=.*two\.yaml .*run_45_.* --force"):
        bag(work, "--runs", *folders)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--weights", "1"), "give 2 numbers"), (("--weights", "0", "0"), "not all of them 0")],
)
def test_weights_that_are_no_weights_are_wrong_use(
    two_systems: tuple[Work, list[Path]], arguments: tuple[str, ...], message: str
) -> None:
    work, folders = two_systems
    with pytest.raises(WrongUse, match=message):
        bag(work, "--runs", *folders, *arguments)


def test_a_folder_without_predictions_names_the_stages_that_make_them(two_systems: tuple[Work, list[Path]]) -> None:
    work, folders = two_systems
    with pytest.raises(MissingInput, match=r"run_15_bagged_submission\.sh(.|\n)*run_45_stacking_ensemble\.sh"):
        bag(work, "--runs", folders[0], work.folder / "preds")
