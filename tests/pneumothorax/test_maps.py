from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from map_files import made_maps

from hounsfield.core.errors import BadInput
from hounsfield.core.storage.arrays import write_array
from hounsfield.pneumothorax.maps import (
    MAPS,
    as_probabilities,
    as_stored,
    blended_maps,
    films_to_map,
    refuse_other_films,
)
from reference.submitted_mask import blend

IDS = ["a", "b", "c"]


def test_a_stored_map_is_the_probability_to_the_255th_or_to_half_precision() -> None:
    p = np.linspace(0, 1, 1001, dtype=np.float32)
    assert abs(as_probabilities(as_stored(p, "uint8")) - p).max() <= 0.5 / 255 + 1e-6
    assert abs(as_probabilities(as_stored(p, "float16").astype(np.float32)) - p).max() <= 2.0**-12
    assert as_stored(np.array([0.0, 1.0]), "uint8").tolist() == [0, 255]


def test_maps_are_of_the_validation_films_fold_by_fold_and_then_of_test_films() -> None:
    films = pd.DataFrame(
        {
            "film_id": list("abcdefg"),
            "split": ["train"] * 5 + ["test"] * 2,
            "fold": [1, 0, 1, -2, 2, -1, -1],
        }
    )
    chosen = films_to_map(films, [0, 1])
    assert chosen.films["film_id"].tolist() == ["b", "a", "c", "f", "g"]
    assert chosen.folds.tolist() == [0, 1, 1, -1, -1]


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
def test_maps_are_read_one_by_one_as_they_were_stored(tmp_path, dtype) -> None:
    p = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    maps = made_maps(tmp_path, "one", as_stored(p, dtype), IDS, [0, 0, -1])
    assert (maps.size, maps.rows["film_id"].tolist()) == (8, IDS)
    np.testing.assert_allclose(as_probabilities(maps.values(1)), p[1], atol=0.002)


def test_a_map_with_nan_is_refused_with_its_film(tmp_path) -> None:
    p = np.full((3, 8, 8), 0.5, np.float16)
    p[1, 2, 3] = np.nan
    maps = made_maps(tmp_path, "one", p, IDS, [0, 0, -1])
    maps.values(0)
    with pytest.raises(BadInput, match=r"maps\.npy: the map of b .*run_63_pneumothorax_maps\.sh --force"):
        maps.values(1)


def test_an_array_of_another_number_of_maps_than_films_is_refused(tmp_path) -> None:
    maps = made_maps(tmp_path, "one", np.zeros((2, 8, 8), np.uint8), IDS, [0, 0, -1])
    with pytest.raises(BadInput, match=r"maps\.npy holds uint8 of shape \(2, 8, 8\), and not 3 maps"):
        _ = maps.size


def test_a_file_that_was_changed_since_is_refused(tmp_path) -> None:
    made = made_maps(tmp_path, "one", np.zeros((3, 8, 8), np.uint8), IDS, [0, 0, -1])
    write_array(made.output.folder / MAPS, np.ones((3, 8, 8), np.uint8))
    with pytest.raises(BadInput, match=r"maps\.npy is not the file that was written"):
        type(made)(made.output)


def test_a_blend_is_the_plain_references_whatever_sizes_and_sum_of_weights(tmp_path) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.integers(0, 256, (3, size, size)).astype(np.uint8) for size in (8, 16, 12)]
    members = [made_maps(tmp_path, f"m{n}", array, IDS, [0, 1, -1]) for n, array in enumerate(arrays)]
    weights = [2.0, 1.0, 5.0]
    for row, found in zip([0, 2], blended_maps(members, weights, [0, 2]), strict=True):
        assert (found.shape, found.dtype) == ((16, 16), np.float32)
        expected = blend([(array[row] / 255).tolist() for array in arrays], weights)
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_a_blend_of_unequal_films_is_refused_by_their_names(tmp_path) -> None:
    array = np.zeros((3, 8, 8), np.uint8)
    one = made_maps(tmp_path, "one", array, IDS, [0, 1, -1])
    refuse_other_films([one, made_maps(tmp_path, "same", array, IDS, [0, 1, -1])])
    for ids, folds, named in [(["a", "x", "c"], [0, 1, -1], "b, x"), (IDS, [0, 0, -1], "b")]:
        other = made_maps(tmp_path, "other", array, ids, folds)
        with pytest.raises(BadInput, match=rf"other and .*one hold maps of different films.* {named}\. Make both"):
            refuse_other_films([one, other])
