"""The benchmark of the search for thresholds: what it measures, at sizes that take no time."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark.grid_search import GRIDS, grid_search_lines, search, synthetic_films, write_synthetic_maps
from hounsfield.core.storage.arrays import open_array
from hounsfield.pneumothorax.thresholds import grid
from reference.triplet_rule import mean_dice


def test_the_grids_are_of_the_sizes_that_their_names_say() -> None:
    assert [len(grid(config)) for config in GRIDS.values()] == [8, 1000]


def test_what_is_searched_gives_the_score_of_the_plain_reference(tmp_path, capsys) -> None:
    path = write_synthetic_maps(tmp_path / "maps.npy", 12, 32)
    assert open_array(path).shape == (12, 32, 32)
    search(str(path), "8 triplets")
    films = list(synthetic_films(path))
    truths = [np.zeros((32, 32), int).tolist() if true is None else true.astype(int).tolist() for _, true in films]
    assert any(np.any(one) for one in truths)
    maps = [(values / 255).tolist() for values, _ in films]
    best = max(mean_dice(maps, truths, (r.top, round(r.area * 32 * 32), r.bottom)) for r in grid(GRIDS["8 triplets"]))
    assert abs(json.loads(capsys.readouterr().out)["dice"] - best) < 1e-9


@pytest.mark.slow
def test_time_and_memory_of_both_grids_are_held_against_what_is_demanded(tmp_path) -> None:
    lines = grid_search_lines(tmp_path, films=8, pixels=32)
    assert [(line.unit, line.at_most) for line in lines] == [("s", 60), ("MB", 1500), ("s", 600), ("MB", 1500)]
    assert "1000 rules" in lines[2].note
