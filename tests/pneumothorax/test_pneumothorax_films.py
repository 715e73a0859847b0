from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from film_files import DATA_SET, FILM_IDS, SIZE, make_films

from hounsfield.competitions.siim2019.paths import mask_path
from hounsfield.competitions.siim2019.tables import open_data_set, read_films
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.image_files import encode_png, store_image
from hounsfield.core.training.batches import UNAUGMENTED
from hounsfield.pneumothorax.films import FILM_COLUMNS, FilmsWithMasks
from hounsfield.pneumothorax.part_run import split_films


@pytest.fixture
def data(tmp_path: Path) -> Upstream:
    make_films(tmp_path)
    return open_data_set(tmp_path, DATA_SET, lambda stage, *_: f"sh bin/{stage}.sh")


@pytest.fixture
def table(data: Upstream) -> pd.DataFrame:
    return read_films(data, FILM_COLUMNS)


def test_a_film_comes_with_its_mask_and_a_negative_with_an_empty_one_of_its_size(
    data: Upstream, table: pd.DataFrame
) -> None:
    films = FilmsWithMasks(data, table, SIZE, (1,))
    for row, positive in enumerate(films.positive):
        film, mask = films[UNAUGMENTED, row]
        assert film.shape == mask.shape == (SIZE, SIZE)
        assert set(mask.unique().tolist()) == ({0, 1} if positive else {0})
        if positive:
            assert film[mask == 1].float().mean() > film[mask == 0].float().mean() + 100


def test_films_and_masks_are_resized_and_masks_stay_black_and_white(data: Upstream, table: pd.DataFrame) -> None:
    film, mask = FilmsWithMasks(data, table, 96, (1,))[UNAUGMENTED, 0]
    assert film.shape == mask.shape == (96, 96)
    _, whole = FilmsWithMasks(data, table, SIZE, (1,))[UNAUGMENTED, 0]
    nearest = [place * SIZE // 96 for place in range(96)]  # interpolated, a mask's edge would lie elsewhere
    assert set(mask.unique().tolist()) == {0, 1}
    assert torch.equal(mask, whole[nearest][:, nearest])


def test_what_is_drawn_depends_on_seeds_epoch_and_film_and_not_on_the_other_films(
    data: Upstream, table: pd.DataFrame
) -> None:
    films, fewer = (FilmsWithMasks(data, part, SIZE, (1, 0, 2)) for part in (table, table.iloc[4:]))
    others = FilmsWithMasks(data, table, SIZE, (1, 0, 3))
    same = [torch.equal(films[0, row + 4][0], fewer[0, row][0]) for row in range(8)]
    assert all(same)
    assert not all(torch.equal(films[0, row][0], films[1, row][0]) for row in range(8))
    assert not all(torch.equal(films[0, row][0], others[0, row][0]) for row in range(8))


def test_another_mask_than_the_table_names_is_refused_and_a_missing_one_named(
    data: Upstream, table: pd.DataFrame
) -> None:
    path = mask_path(data.work, DATA_SET, FILM_IDS[0])
    store_image(path, encode_png(np.full((SIZE, SIZE), 255, np.uint8)))
    with pytest.raises(BadInput, match=path.name):
        FilmsWithMasks(data, table, SIZE, (1,))[0, 0]
    path.unlink()
    with pytest.raises(MissingInput, match=path.name):
        FilmsWithMasks(data, table, SIZE, (1,))[0, 0]


def test_a_mask_of_another_size_than_its_film_is_refused(data: Upstream, table: pd.DataFrame) -> None:
    path = mask_path(data.work, DATA_SET, FILM_IDS[0])
    checksum = store_image(path, encode_png(np.full((SIZE, SIZE - 8), 255, np.uint8)))
    table.loc[0, "mask_crc32"] = checksum
    with pytest.raises(BadInput, match=rf"{path.name} is \({SIZE}, {SIZE - 8}\)"):
        FilmsWithMasks(data, table, SIZE, (1,))[0, 0]


def test_films_that_no_fold_validates_are_trained_on_where_they_are_wanted_and_never_validated(
    table: pd.DataFrame,
) -> None:
    train, validation = split_films(table, 0, extra_films=False)
    more, same = split_films(table, 0, extra_films=True)
    assert set(more["film_id"]) - set(train["film_id"]) == set(FILM_IDS[18:])
    assert list(validation["film_id"]) == list(same["film_id"])
    assert not set(more["patient_id"]) & set(validation["patient_id"])
