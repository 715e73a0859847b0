"""Every file that comes with pydicom, through the real preparation."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from preparations import Outcome, prepare

import shipped_files as shipped
from conftest import work_at

FLAGS_OF_SEVERAL = (  # which follow from other files than the one
    "copies_left_out", "sop_uid_repeated", "series_split", "series_joined", "patients_joined", "position_guessed",
    "order_guessed",
)  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The preparation of every file that comes with pydicom."""
    top = tmp_path_factory.mktemp("real")
    shutil.copytree(shipped.FOLDER, top / "ct")
    return prepare(top / "ct", work_at(top / "work"))


def test_every_real_file_has_its_outcome(real: Outcome) -> None:
    codes, flags = real.rejected["reason"], real.slices["flags"]
    for name, expected in shipped.OUTCOMES.items():
        if expected.as_ct == shipped.USED:
            if codes.get(name) in ("copy", "not_axial"):
                continue
            own = [flag for flag in flags[name].split() if flag not in FLAGS_OF_SEVERAL]
            assert (name, *own) == (name, *expected.flags)
        else:
            assert (name, codes[name]) == (name, expected.as_ct)


def test_a_real_series_is_one_stack_in_the_order_of_its_positions(real: Outcome) -> None:
    slices = real.slices[real.slices.index.str.startswith(f"{shipped.HEAD_SERIES}/")]
    assert [path.rpartition("/")[2] for path in slices.index] == ["3353", "3023", "2693", "2392", "2062"]
    assert len(set(slices["series"])) == 1
    assert np.diff(slices["normal_mm"]).tolist() == pytest.approx([2.5] * 4)
