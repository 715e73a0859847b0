"""The report of a run of the stacking system."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from first_level import EXPERIMENT
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.stacking.paths import predictions_folder
from programs import report_run


def test_the_report_compares_the_second_level_with_the_classifiers(tmp_path: Path, second_level_work: Path) -> None:
    work = shutil.copytree(second_level_work, tmp_path / "work")
    folder = predictions_folder(work, EXPERIMENT)
    report_run(folder, work)
    numbers = json.loads((folder / "report.json").read_text())
    scores = read_scores(folder / "scores.csv").set_index("system")["weighted_log_loss"]
    gain = numbers["later_stage"]["slice"]
    assert (gain["earlier"], gain["later"].removesuffix("_every_patient")) == ("cnn_ensemble", "second_level")
    assert gain["mean_gain"] == pytest.approx(scores[gain["earlier"]] - scores[gain["later"]], abs=1e-7)
    proof = numbers["ledger"]["proof"]
    assert all(one["seen"]["upstream"] == one["patients"] for one in proof)
    assert all(one["verdict"].startswith("second order") for one in proof)
    assert "second order" in (folder / "report.html").read_text()
