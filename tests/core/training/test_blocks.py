"""Predictions that several processes share out: blocks on disk, and rows in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from lone_devices import CPU, one_of

from hounsfield.core.errors import MissingInput
from hounsfield.core.storage.arrays import open_array
from hounsfield.core.training.blocks import fill_arrays, has_block, join_blocks, share_rows, write_block
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.stops import Stopped, StopRequest, stop_on_sigterm
from killed_runs import Killed
from programs import ask_to_stop

ROWS = 23


class Squares:
    """Computes two arrays: the row numbers as float16, and their squares with the size of the batch beside them."""

    def __init__(self, *, dies_after: int = ROWS) -> None:
        self.computed: list[int] = []
        self._dies_after = dies_after

    def __call__(self, batches: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
        for number, rows in enumerate(batches):
            if number == self._dies_after:
                raise Killed
            self.computed += rows.tolist()
            yield [rows.astype(np.float16), np.stack([rows**2, np.full(len(rows), len(rows))], axis=1)]


def fill(folder: Path, compute: Squares, devices: Devices = CPU) -> list[Path]:
    paths = [folder / "numbers.npy", folder / "squares.npy"]
    fill_arrays(paths, ROWS, compute, devices, batch_size=2, block_batches=3)
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_arrays_that_are_computed_together_are_filled_in_the_order_of_their_rows(tmp_path: Path) -> None:
    numbers, squares = (open_array(path) for path in fill(tmp_path, Squares()))
    assert numbers.dtype == np.float16
    assert numbers.tolist() == list(range(ROWS))
    assert squares[:, 0].tolist() == [row**2 for row in range(ROWS)]
    # blocks of six rows, the last of five: batches never cross from one to the next
    assert squares[:, 1].tolist() == [2] * 22 + [1]


@pytest.mark.parametrize("world", [2, 3, 7])
def test_any_number_of_processes_fills_to_the_same_bytes_and_each_computes_its_share(
    tmp_path: Path, world: int
) -> None:
    fill(tmp_path / "one", Squares())
    for rank in reversed(range(world)):  # the first process joins, when the others are done
        own = Squares()
        fill(tmp_path / "several", own, one_of(world, rank))
        assert own.computed == [row for row in range(ROWS) if row // 6 % world == rank]
    assert contents(tmp_path / "several") == contents(tmp_path / "one")


@pytest.mark.parametrize("batches_before", [0, 4, 11])
def test_a_killed_run_computes_only_the_blocks_that_are_missing(tmp_path: Path, batches_before: int) -> None:
    fill(tmp_path / "undisturbed", Squares())
    with pytest.raises(Killed):
        fill(tmp_path / "killed", Squares(dies_after=batches_before))
    again = Squares()
    fill(tmp_path / "killed", again)
    assert again.computed == list(range(batches_before // 3 * 6, ROWS))
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")
    nothing = Squares()
    fill(tmp_path / "killed", nothing)
    assert nothing.computed == []


def test_a_block_of_one_array_alone_is_computed_again(tmp_path: Path) -> None:
    write_block(tmp_path / "numbers.npy", 6, np.zeros(6, np.float16))
    _, squares = fill(tmp_path, Squares())
    assert open_array(squares)[7, 0] == 49


def test_shared_rows_are_the_sum_over_the_processes_and_zero_where_nobody_has_one() -> None:
    values = torch.arange(8.0).reshape(4, 2)
    shares = [[(np.array([0, 3]), values[:2])], [(torch.tensor([1]), values[2:3])]]
    first, second = (share_rows(own, (5, 2), one_of(2, rank), StopRequest()) for rank, own in enumerate(shares))
    assert (first + second).tolist() == [[0, 1], [4, 5], [0, 0], [2, 3], [0, 0]]
    assert first.dtype == np.float64


def test_a_request_to_stop_ends_the_sharing_before_its_next_rows() -> None:
    computed: list[int] = []

    def rows() -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        for row in range(4):
            computed.append(row)
            if row == 1:
                ask_to_stop()
            yield np.array([row]), torch.ones(1)

    with pytest.raises(Stopped), stop_on_sigterm() as stop:
        share_rows(rows(), (4,), CPU, stop)
    assert computed == [0, 1]


# ---- block files ---------------------------------------------------------------------------------------------------


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
    assert {entry.name for entry in tmp_path.rglob("*")} == {"identity.npy", "unfinished"}


def test_joining_again_after_a_kill_between_rename_and_clean_up_changes_nothing(tmp_path: Path) -> None:
    path, starts = tmp_path / "a.npy", range(0, 4, 2)
    for start in starts:
        write_block(path, start, np.full((2, 1), start))
    join_blocks(path, starts, 4)
    write_block(path, 0, np.full((2, 1), 99))
    join_blocks(path, starts, 4)
    assert open_array(path).ravel().tolist() == [0, 0, 2, 2]
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_missing_block_stops_the_join_and_is_named(tmp_path: Path) -> None:
    write_block(tmp_path / "a.npy", 0, np.zeros((2, 1)))
    with pytest.raises(MissingInput, match=r"000000002\.npy is missing"):
        join_blocks(tmp_path / "a.npy", range(0, 4, 2), 4)
    assert not (tmp_path / "a.npy").exists()


def test_joined_blocks_are_the_file_that_numpy_writes(tmp_path: Path) -> None:
    rows = np.arange(50, dtype=np.float16).reshape(10, 5)
    np.save(tmp_path / "whole.npy", rows)
    path = tmp_path / "joined.npy"
    for start in range(0, 10, 4):
        write_block(path, start, rows[start : start + 4])
    join_blocks(path, range(0, 10, 4), 10)
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert np.array_equal(open_array(path), rows)


def test_a_full_disk_while_blocks_are_joined_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory map of a file that the disk cannot hold ends the process by SIGBUS, so the join must not use one."""
    path = tmp_path / "joined.npy"
    write_block(path, 0, np.ones((4, 4)))
    opened, open_memmap = list[str](), np.lib.format.open_memmap

    def open_and_note(file: object, mode: str = "r+", **options: object) -> np.ndarray:
        opened.append(mode)
        return open_memmap(file, mode=mode, **options)

    monkeypatch.setattr(np.lib.format, "open_memmap", open_and_note)
    join_blocks(path, range(0, 4, 4), 4)
    assert path.exists()
    assert set(opened) == {"r"}
