from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hounsfield.core.errors import BadInput
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
