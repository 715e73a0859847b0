from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.arrays import open_array, write_array
from hounsfield.core.training.blocks import has_block, join_blocks, write_block


def test_blocks_written_in_any_order_join_to_the_array(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(23, 4)).astype(np.float16)
    path, starts = tmp_path / "identity.npy", range(0, 23, 8)
    for start in reversed(starts):
        assert not has_block(path, start)
        write_block(path, start, array[start : start + 8])
        assert has_block(path, start)
    join_blocks(path, starts, 23)
    joined = open_array(path)
    assert isinstance(joined, np.memmap)
    assert np.array_equal(joined, array)
    assert [entry.name for entry in tmp_path.iterdir()] == ["identity.npy"]


def test_joining_again_after_a_kill_between_rename_and_clean_up_changes_nothing(tmp_path: Path) -> None:
    path, starts = tmp_path / "a.npy", range(0, 4, 2)
    for start in starts:
        write_block(path, start, np.full((2, 1), start))
    join_blocks(path, starts, 4)
    write_block(path, 0, np.full((2, 1), 99))
    join_blocks(path, starts, 4)
    assert open_array(path).ravel().tolist() == [0, 0, 2, 2]
    assert not path.with_suffix(".blocks").exists()


def test_a_missing_block_stops_the_join_and_is_named(tmp_path: Path) -> None:
    write_block(tmp_path / "a.npy", 0, np.zeros((2, 1)))
    with pytest.raises(MissingInput, match=r"000000002\.npy is missing"):
        join_blocks(tmp_path / "a.npy", range(0, 4, 2), 4)
    assert not (tmp_path / "a.npy").exists()


def test_an_array_of_python_objects_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(BadInput, match=r"objects\.npy is not a readable array"):
        open_array(path)


def test_a_cut_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.npy"
    write_array(path, np.zeros((100, 10)))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BadInput, match=r"cut\.npy is not a readable array"):
        open_array(path)
