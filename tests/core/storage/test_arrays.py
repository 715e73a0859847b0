from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from hounsfield.core.errors import BadInput
from hounsfield.core.storage import arrays
from hounsfield.core.storage.arrays import array_number, open_array, write_array


def test_an_array_of_python_objects_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(BadInput, match=r"objects\.npy "):
        open_array(path)


def test_a_cut_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.npy"
    write_array(path, np.zeros((100, 10)))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BadInput, match=r"cut\.npy "):
        open_array(path)


def test_arrays_have_one_number_when_type_shape_and_values_are_equal_and_only_then() -> None:
    plain = np.arange(12, dtype=np.int16).reshape(3, 4)
    others = [plain.reshape(4, 3), plain.astype(np.uint16), plain[::-1], np.zeros((0, 4), np.int16)]
    assert array_number(plain) == array_number(np.asfortranarray(plain)) >= 0
    assert len({array_number(array) for array in (plain, *others)}) == 5


def test_an_array_that_cannot_be_mapped_for_all_is_mapped_privately_or_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[object, ...]] = []
    write_array(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    load, refused = np.load, {"r"}

    def on_such_a_file_system(path: Path, mmap_mode: str | None = None, **options: object) -> np.ndarray:
        if mmap_mode in refused:
            raise OSError(errno.ENODEV, "No such device", str(path))
        return load(path, mmap_mode=mmap_mode, **options)

    monkeypatch.setattr(np, "load", on_such_a_file_system)
    monkeypatch.setattr(arrays.logger, "warning", lambda *words: said.append(words))
    for _ in range(2):
        array = open_array(tmp_path / "a.npy")
        assert array.tolist() == [[0, 1, 2], [3, 4, 5]] and not array.flags.writeable
        refused.add("c")
    assert [len(words) for words in said] == [2]  # not for every array
