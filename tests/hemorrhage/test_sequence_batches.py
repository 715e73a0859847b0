from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.core.errors import BadInput
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.tables import write_table
from hounsfield.hemorrhage.paths import ROWS, ROWS_SCHEMA, array_path
from hounsfield.hemorrhage.sequence_batches import (
    build_batch,
    index_series,
    open_store,
    prediction_batches,
    training_batches,
)

LENGTHS = (5, 1, 9, 3)


def slices_of(lengths: tuple[int, ...]) -> pd.DataFrame:
    series = np.repeat(np.arange(len(lengths)), lengths)
    names = [f"ID_{k:09x}" for k in range(len(series))]
    return pd.DataFrame({"image_id": names, "series": series, "split": "train"})


def make_store(folder: Path, slices: pd.DataFrame, width: int = 4) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    views = {view: generator.normal(size=(len(slices), width)).astype(np.float16) for view in ("identity", "hflip")}
    for view, array in views.items():
        write_array(array_path(folder, view), array)
    write_table(folder / ROWS, slices, ROWS_SCHEMA)
    return views


def store_at(folder: Path) -> Upstream:
    """What lies there, as finished embeddings."""
    files = {path.name: {"sha256": file_digest(path)} for path in folder.iterdir()}
    record = {"files": files, "facts": {"views": ["identity", "hflip"], "width": 4}}
    return Upstream(folder, folder, record, "sh extract.sh")


def test_a_batch_holds_the_mean_over_views_of_each_series_and_says_what_is_padding(tmp_path: Path) -> None:
    slices = slices_of(LENGTHS)
    views = make_store(tmp_path, slices)
    mean = np.mean([view.astype(np.float32) for view in views.values()], axis=0)
    labels = np.random.default_rng(1).integers(0, 2, (len(slices), 6)).astype(np.float32)
    store, index = open_store(store_at(tmp_path), slices["image_id"]), index_series(slices)
    for front in (True, False):
        batch = build_batch(store, index, np.array([2, 0]), labels, pad_front=front)
        assert batch.is_slice.sum(dim=1).tolist() == [9, 5]
        for place, (start, length) in enumerate(((6, 9), (0, 5))):
            real = batch.is_slice[place]
            np.testing.assert_allclose(batch.embeddings[place][real], mean[start : start + length], atol=1e-6)
            assert batch.labels[place][real].tolist() == labels[start : start + length].tolist()
            assert batch.rows[place][real].tolist() == list(range(start, start + length))
            assert (batch.embeddings[place][~real] == 0).all()
            assert (batch.rows[place][~real] == -1).all()
        assert batch.is_slice[1, -1 if front else 0]


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=600), st.integers(1, 16), st.integers(0, 99))
def test_every_series_is_in_exactly_one_training_batch_beside_others_of_its_length(
    lengths: list[int], batch_size: int, seed: int
) -> None:
    sizes = np.array(lengths)
    order = np.random.default_rng(seed).permutation(len(sizes))
    batches = training_batches(sizes, batch_size, order)
    assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(len(sizes)))
    assert max(len(batch) for batch in batches) <= batch_size


def test_bucketing_pads_little() -> None:
    lengths = np.random.default_rng(0).integers(24, 60, 5000)
    batches = training_batches(lengths, 4, np.random.default_rng(1).permutation(5000))
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.03 * lengths.sum()


def test_prediction_batches_hold_every_series_once() -> None:
    batches = prediction_batches(np.array([3, 9, 9, 1, 4]), 2)
    assert [batch.tolist() for batch in batches] == [[1, 2], [4, 0], [3]]


def test_a_store_of_other_slices_is_refused(tmp_path: Path) -> None:
    make_store(tmp_path, slices_of(LENGTHS))
    with pytest.raises(
        BadInput,
        match=r"slices\.parquet; make it anew: sh extract\.sh --force",
    ):
        open_store(store_at(tmp_path), slices_of((5, 1, 9, 3, 2))["image_id"])


def test_an_array_of_the_wrong_shape_is_named(tmp_path: Path) -> None:
    slices = slices_of(LENGTHS)
    make_store(tmp_path, slices)
    write_array(array_path(tmp_path, "hflip"), np.zeros((3, 4), np.float16))
    with pytest.raises(BadInput, match=r"hflip\.npy: shape \(3, 4\), expected \(18, 4\)"):
        open_store(store_at(tmp_path), slices["image_id"])


def test_an_array_that_is_not_the_one_that_was_written_is_named(tmp_path: Path) -> None:
    slices = slices_of(LENGTHS)
    make_store(tmp_path, slices)
    store = store_at(tmp_path)
    write_array(array_path(tmp_path, "hflip"), np.zeros((18, 4), np.float16))
    with pytest.raises(BadInput, match=r"hflip\.npy is not the file that was written"):
        open_store(store, slices["image_id"])


def test_a_series_that_does_not_stand_together_is_refused() -> None:
    slices = slices_of(LENGTHS)
    with pytest.raises(BadInput, match="do not stand together"):
        index_series(slices.iloc[[0, 5, 1, *range(6, 18)]])
