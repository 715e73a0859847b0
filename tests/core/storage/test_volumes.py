"""Volumes are written slice by slice, whole or not at all, and read by memory map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.storage.arrays import array_number
from hounsfield.core.storage.volumes import open_volume, volume_whole, write_volume

VOLUME = np.random.default_rng(0).integers(-1024, 3000, (5, 7, 6)).astype(np.int16)


def test_a_volume_comes_back_and_its_bytes_are_those_of_an_array_written_at_once(tmp_path: Path) -> None:
    number = write_volume(tmp_path / "a.npy", iter(VOLUME), VOLUME.shape)
    np.save(tmp_path / "b.npy", VOLUME)
    assert (open_volume(tmp_path / "a.npy") == VOLUME).all()
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert number == array_number(VOLUME)


def test_a_volume_is_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.npy", VOLUME, VOLUME.shape)
    volume = open_volume(tmp_path / "a.npy")
    assert isinstance(volume, np.memmap)
    assert not volume.flags.writeable


@pytest.mark.parametrize(
    ("slices", "fact"),
    [
        (VOLUME[:4], "4 slices, not 5"),
        ([*VOLUME[:2], VOLUME[2, 1:]], "slice 2 is"),
        (VOLUME.astype(np.float32), "float32, not"),
    ],
    ids=["too few", "another size", "another type"],
)
def test_slices_that_do_not_fit_leave_nothing_behind(tmp_path: Path, slices: np.ndarray, fact: str) -> None:
    with pytest.raises(BadInput, match=fact):
        write_volume(tmp_path / "a.npy", slices, VOLUME.shape)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_volume_names_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"sh bin/x\.sh"):
        open_volume(tmp_path / "a.npy", remedy="sh bin/x.sh")


def test_another_array_is_no_volume(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 3), np.int16))
    with pytest.raises(BadInput, match="no volume"):
        open_volume(tmp_path / "a.npy")


def test_a_volume_that_is_cut_is_refused_with_the_command_that_makes_it_again(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.npy", VOLUME, VOLUME.shape)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"remove it and make it again: sh bin/x\.sh$"):
        open_volume(tmp_path / "a.npy", remedy="sh bin/x.sh")


def test_a_volume_is_whole_in_its_full_length_and_for_its_own_shape_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    assert not volume_whole(path, VOLUME.shape)
    write_volume(path, VOLUME, VOLUME.shape)
    assert volume_whole(path, VOLUME.shape)
    assert not volume_whole(path, (6, 7, 6))
    path.write_bytes(path.read_bytes()[:-1])
    assert not volume_whole(path, VOLUME.shape)
