"""Robustness of a small run: its out-of-fold series changed, and answered again by all of its models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from conftest import Work, work_at
from hounsfield.competitions.rsna2019.labels import CLASS_WEIGHTS, CLASSES
from hounsfield.core.imaging.shifts import SHIFTS, backwards, without_thirds
from hounsfield.hemorrhage.sequence_network import SequenceNetwork
from page_tables import PageText
from programs import report_run, run_program
from reference.log_loss import competition_log_loss

RUN = Path("preds/hemorrhage/mini")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, finished: Work) -> Work:
    """The finished run after stage 81 with --shifts."""
    work = work_at(tmp_path_factory.mktemp("measured") / "work")
    shutil.copytree(finished.folder, work.folder)
    report_run(work.folder / RUN, work.folder, "--shifts")
    return work


@pytest.fixture(scope="module")
def found(measured: Work) -> dict[str, pd.DataFrame]:
    """The answers under each change, by image."""
    table = pd.concat(pd.read_parquet(path) for path in (measured.folder / RUN / "shifts").glob("fold*/*.parquet"))
    return {str(name): own.set_index("image_id")[list(CLASSES)] for name, own in table.groupby("shift")}


@pytest.fixture(scope="module")
def slices(measured: Work) -> pd.DataFrame:
    return pd.read_parquet(measured.folder / "data/phantom/slices.parquet")


def bag(work: Work) -> pd.DataFrame:
    table = pd.read_parquet(work.folder / RUN / "bag.parquet")
    return table[table["split"] == "out-of-fold"].set_index("image_id")[list(CLASSES)]


def test_unchanged_and_computed_from_the_files_again_the_answers_are_the_runs(
    measured: Work, found: dict[str, pd.DataFrame]
) -> None:
    expected = bag(measured)
    assert set(found["unchanged"].index) == set(expected.index)
    np.testing.assert_allclose(found["unchanged"].loc[expected.index], expected, atol=1e-5)


def test_every_change_moves_the_answers_of_the_slices_that_are_left(
    found: dict[str, pd.DataFrame], slices: pd.DataFrame
) -> None:
    assert list(found) == sorted(shift.name for shift in SHIFTS)
    for name, answers in found.items():
        before = found["unchanged"].loc[answers.index]
        assert name == "unchanged" or (answers - before).abs().max(axis=None) > 1e-4
        if name != "dropped":
            assert len(answers) == len(found["unchanged"])
    train = slices[slices["split"] == "train"]
    assert set(found["dropped"].index) == set(train["image_id"][train["order"] % 3 != 2])


def sequence_by_hand(
    work: Work, slices: pd.DataFrame, series: int, kept: Callable[[int], np.ndarray]
) -> dict[str, np.ndarray]:
    """The mean over both classifier epochs and both kept epochs of the sequence network, by image."""
    own = slices[slices["series"] == series].sort_values("order")
    fold, rows, total = int(own["fold"].iloc[0]), own.index.to_numpy(), 0
    places = kept(len(own))
    for epoch in (0, 1):
        store = work.folder / f"data/phantom/embeddings/mini/fold{fold}/epoch{epoch}"
        views = [np.load(store / f"{view}.npy")[rows].astype(np.float32) for view in ("identity", "hflip")]
        embeddings = torch.from_numpy(((views[0] + views[1]) / 2)[places])[None]
        for after in (1, 2):
            network = SequenceNetwork(96, 16, packed=True).eval()
            folder = work.folder / f"checkpoints/hemorrhage/mini/fold{fold}/sequence_epoch{epoch}"
            network.load_state_dict(load_file(folder / f"epoch{after}.safetensors"))
            with torch.no_grad():
                total += network(embeddings, torch.ones(1, len(places), dtype=torch.bool))[0].sigmoid().numpy() / 4
    return dict(zip(own["image_id"].to_numpy()[places], total, strict=True))


def test_dropped_and_reversed_slices_change_what_the_sequence_network_reads_and_nothing_else(
    measured: Work, found: dict[str, pd.DataFrame], slices: pd.DataFrame
) -> None:
    for series in slices[slices["split"] == "train"]["series"].unique()[:4]:
        for name, kept in (("dropped", without_thirds), ("reversed", backwards)):
            for image, expected in sequence_by_hand(measured, slices, series, kept).items():
                np.testing.assert_allclose(found[name].loc[image], expected, atol=1e-5)


def test_the_report_says_what_each_change_does_to_the_loss_and_to_the_operating_points(
    measured: Work, found: dict[str, pd.DataFrame], slices: pd.DataFrame
) -> None:
    numbers = json.loads((measured.folder / RUN / "report.json").read_text())["shifts"]
    labels = slices.set_index("image_id")[list(CLASSES)]
    assert [one["name"] for one in numbers] == [shift.name for shift in SHIFTS]
    for one in numbers:
        answers = found[one["name"]]
        truth = labels.loc[answers.index]
        before = found["unchanged"].loc[answers.index]
        for values, key in ((answers, "loss"), (before, "loss_unchanged")):
            loss = competition_log_loss(values.to_numpy().tolist(), truth.to_numpy().tolist(), CLASS_WEIGHTS, 1e-5)
            assert one[key] == pytest.approx(loss, abs=1e-6)
        for name, own in one["by_name"].items():
            for point in own["operating_points"]:
                called, positive = answers[name] >= point["threshold"], truth[name] == 1
                if positive.any():
                    assert point["sensitivity"] == pytest.approx(called[positive].mean())
                if not positive.all():
                    assert point["specificity"] == pytest.approx(1 - called[~positive].mean())
    shown = PageText((measured.folder / RUN / "report.html").read_text())
    assert len(shown.tables["Loss under each change"]) == 1 + len(SHIFTS)


@pytest.mark.slow
def test_what_is_measured_is_kept_and_shown_without_asking_again_until_the_run_is_another(
    measured: Work, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = work_at(tmp_path / "work")
    shutil.copytree(measured.folder, work.folder)
    run = work.folder / RUN
    before = {path: path.stat().st_mtime_ns for path in run.glob("shifts/*/shifts.parquet")}
    page = (run / "report.html").read_bytes()
    report_run(run, work.folder)
    report_run(run, work.folder, "--shifts")
    assert (run / "report.html").read_bytes() == page
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "are read again" not in capsys.readouterr().err
    table = pd.read_parquet(run / "bag.parquet")
    run_program("hemorrhage_bag", *work.arguments, "--fold", 0, "--force")
    assert len(pd.read_parquet(run / "bag.parquet")) < len(table)
    report_run(run, work.folder)
    shown = PageText((run / "report.html").read_text())
    assert "Loss under each change" not in shown.tables
    assert "run_81_report.sh --shifts" in shown.text
    report_run(run, work.folder, "--shifts")
    assert "are read again; 5 versions" in capsys.readouterr().err
