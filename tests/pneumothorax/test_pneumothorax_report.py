"""The report of a run of the pneumothorax system."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_data import made_films, made_maps, seeing_map, true_mask

from hounsfield.pneumothorax.paths import predictions_folder
from programs import report_run, run_program
from reference import ranking as plain

FILMS = 24
CONFIG = """
data_set: made
folds: [0, 1]
threads: 1
prepare: {fold_count: 2}
thresholds: {tops: [0.5, 0.75], areas: [0.004, 0.02], bottoms: [0.3, 0.5]}
"""
SETTINGS = {"folds": [0, 1], "dtype": "uint8", "part": None, "top": 3, "flip": True, "precision": "auto"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission, reported."""
    work = tmp_path_factory.mktemp("films")
    made_films(work, train=FILMS, test=2)
    made_maps(work, "one", [seeing_map(number) for number in range(FILMS + 2)], [0, 1], {**SETTINGS, "batch_size": 2})
    (work / "one.yaml").write_text(CONFIG)
    for program in ("thresholds", "submit"):
        run_program(f"pneumothorax_{program}", "--config", work / "one.yaml", "--work", work)
    report_run(predictions_folder(work, "one"), work)
    return predictions_folder(work, "one")


def test_films_are_ranked_and_rules_compared_film_by_film(folder: Path) -> None:
    numbers = json.loads((folder / "report.json").read_text())
    table = pd.read_csv(folder / "out_of_fold.csv")
    own = numbers["levels"]["film"]["by_name"]["pneumothorax"]
    rows = table["probability"].tolist(), [int(true_mask(number) is not None) for number in range(FILMS)]
    by_film = dict(zip(table["film_id"], table["probability"], strict=True))
    rows = [by_film[f"film{number:03d}"] for number in range(FILMS)], rows[1]
    assert own["stages"]["nested_rule"]["auc"] == pytest.approx(plain.area(*rows), abs=1e-6)
    gain = numbers["later_stage"]["film"]
    assert gain["mean_gain"] == pytest.approx(float(np.mean(table["dice"] - table["dice_published_rule"])), abs=1e-6)
    assert [one["dice"] for one in numbers["scores"]][2] == pytest.approx(table["dice"].mean(), abs=1e-6)


def test_vendors_are_counted_as_far_as_headers_name_them(folder: Path) -> None:
    vendors = json.loads((folder / "report.json").read_text())["counts"]["manufacturers of the devices, by film"]
    assert vendors == {"GE": 13, "not named in the header": 13}


def test_the_worst_films_are_shown_with_outlines(folder: Path) -> None:
    numbers = json.loads((folder / "report.json").read_text())
    files = [one["file"] for one in numbers["worst"]]
    assert files and all((folder / "report" / file).read_bytes().startswith(b"\x89PNG") for file in files)
    kinds = {one["kind"]: one["label"] for one in numbers["worst"]}
    assert kinds == {"false positive": 0.0, "false negative": 1.0}
