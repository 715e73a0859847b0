"""Blends of the maps of several experiments: made, submitted, scored, and refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_data import DATA_SET, SIZE, made_maps, seeing_map
from map_stages import SETTINGS, TEST, TRAIN, experiment, made_work, sees_and_stops, without_figures

from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.storage.arrays import open_array
from hounsfield.pneumothorax.paths import maps_folder, predictions_folder
from programs import run_program
from reference.submitted_mask import blend

BLEND = "blend: [{experiment: one, weight: 3}, {experiment: two, weight: 1}]"


@pytest.fixture
def no_figures(monkeypatch) -> None:
    without_figures(monkeypatch)


@pytest.fixture
def work(tmp_path) -> Path:
    return made_work(tmp_path)


@pytest.mark.usefixtures("no_figures")
def test_a_blend_of_maps_of_two_sizes_is_submitted_like_any_experiment_and_scored_beside_them(work) -> None:
    arrays = [seeing_map(number + 40, 2 * SIZE) for number in range(TRAIN + TEST)]
    made_maps(work, "two", arrays, [0, 1], SETTINGS, seen=sees_and_stops())
    for name in ("one", "two"):
        run_program("pneumothorax_thresholds", *experiment(work, name))
    arguments = experiment(work, "both", BLEND)
    for program in ("pneumothorax_maps", "pneumothorax_thresholds", "pneumothorax_submit"):
        run_program(program, *arguments)
    folder = maps_folder(work, DATA_SET, "both")
    found = open_array(folder / "maps.npy")
    assert (found.shape, found.dtype) == ((TRAIN + TEST, 2 * SIZE, 2 * SIZE), np.uint8)
    expected = blend([(seeing_map(0) / 255).tolist(), (arrays[0] / 255).tolist()], [3, 1])
    assert abs(found[0] / 255 - expected).max() <= 0.5 / 255 + 1e-6
    table = read_scores(predictions_folder(work, "both") / "scores.csv")
    assert table["experiment"].tolist() == ["", *(name for name in ("one", "two", "both") for _ in range(3))]
    learned = Ledger.read(folder / "learned.parquet")
    assert learned.roles_of(np.array(["p000", "p003"]), "fold0").tolist() == ["early_stop", "train"]


@pytest.mark.usefixtures("no_figures")
def test_a_blend_of_experiments_with_unequal_films_is_refused_with_the_command_that_mends_it(work) -> None:
    arrays = [seeing_map(number) for number in range(TRAIN + TEST)]
    made_maps(work, "two", arrays, [0], SETTINGS | {"folds": [0]})
    with pytest.raises(
        StaleOutput, match=r"maps/two holds maps of the folds \[0\].*two\.yaml.*run_63_pneumothorax_maps"
    ):
        run_program("pneumothorax_maps", *experiment(work, "both", BLEND))
    made_maps(work, "two", arrays, [0], SETTINGS)  # of fewer films than its record says
    with pytest.raises(BadInput, match=r"hold maps of different films or folds; they differ in 12: film003"):
        run_program("pneumothorax_maps", *experiment(work, "both", BLEND))


@pytest.mark.parametrize(
    ("blend_of", "error", "fact"),
    [
        ("[{experiment: one, weight: 0}]", WrongUse, "not all of them 0"),
        ("[{experiment: one, weight: 1}, {experiment: one, weight: 2}]", WrongUse, "each experiment stands once"),
        ("[{experiment: ../one, weight: 1}]", WrongUse, "cannot name a folder"),
        ("[{experiment: gone, weight: 1}]", MissingInput, r"maps/gone is missing.*gone\.yaml.*run_63"),
    ],
)
@pytest.mark.usefixtures("no_figures")
def test_a_blend_that_cannot_be_is_refused(work, blend_of, error, fact) -> None:
    with pytest.raises(error, match=fact):
        run_program("pneumothorax_maps", *experiment(work, "both", f"blend: {blend_of}"))
