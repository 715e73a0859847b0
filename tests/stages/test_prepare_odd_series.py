"""Series that are odd as a whole, through the real preparation: split, ordered, flagged or refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from preparations import Outcome, prepare

from conftest import work_at
from dicom_files import PIXELS, ct_file


def series(folder: Path, name: str, places: Sequence[object], **elements: Any) -> None:
    """A series of slices, one a place (mm), each picture another one."""
    (folder / name).mkdir(parents=True)
    for n, z in enumerate(places):
        uid = f"1.{sum(name.encode())}"
        given = {"StudyInstanceUID": f"{uid}.0", "SeriesInstanceUID": uid, "SOPInstanceUID": f"{uid}.{n}"}
        given["PatientID"] = name
        given |= {"ImagePositionPatient": [0, 0, z], "InstanceNumber": n} | elements
        (folder / name / f"{n}").write_bytes(ct_file(np.roll(PIXELS, n, axis=0), **given))


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The preparation of series that are odd as a whole."""
    top = tmp_path_factory.mktemp("stacks")
    folder = top / "ct"
    series(folder, "one number", [10, 0, 5], InstanceNumber=1)
    series(folder, "one uid", [0, 5, 10], SOPInstanceUID="1.2.3")
    series(folder, "uneven", [0, 5, 5, 10, 15, 25])
    series(folder, "coronal", [0, 0, 0], ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    for n, y in enumerate((20, 0, 10)):
        content = ct_file(ImagePositionPatient=[0, y, 0], ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
                          SeriesInstanceUID="1.77", SOPInstanceUID=f"1.77.{n}")  # fmt: skip
        (folder / "coronal" / f"{n}").write_bytes(content)
    series(folder, "mixed", [0, 5, 10, 15])
    turned = ct_file(ImagePositionPatient=[0, 0, 20], ImageOrientationPatient=[1, 0, 0, 0, 0, -1],
                     PatientID="mixed", StudyInstanceUID=f"1.{sum(b'mixed')}.0", SeriesInstanceUID=f"1.{sum(b'mixed')}",
                     SOPInstanceUID="1.88")  # fmt: skip
    (folder / "mixed" / "turned").write_bytes(turned)
    series(folder, "halves", [0, 5])
    for n, z in enumerate((10, 15)):
        content = ct_file(ImagePositionPatient=[0, 0, z], ImageOrientationPatient=[1, 0, 0, 0, -1, 0],
                          PatientID="halves", StudyInstanceUID=f"1.{sum(b'halves')}.0",
                          SeriesInstanceUID=f"1.{sum(b'halves')}", SOPInstanceUID=f"1.99.{n}")  # fmt: skip
        (folder / "halves" / f"flipped{n}").write_bytes(content)
    twins = ((PIXELS, "1.5"), (PIXELS, "1.5"), (PIXELS[::-1].copy(), "1.6"), (PIXELS, "1.6"))
    for n, (pixels, uid) in enumerate(twins):
        (folder / f"twin{n}").write_bytes(ct_file(pixels, SOPInstanceUID=uid, SeriesInstanceUID="1.55"))
    return prepare(folder, work_at(top / "work"))


def order_in(outcome: Outcome, name: str) -> list[str]:
    found = outcome.slices[outcome.slices.index.str.startswith(f"{name}/")]
    return [path.rpartition("/")[2] for path in found.index]


def test_series_are_split_by_their_uid_and_ordered_by_position_whatever_the_numbers(stacks: Outcome) -> None:
    assert order_in(stacks, "one number") == ["1", "2", "0"]
    assert order_in(stacks, "halves") == ["0", "1", "flipped0", "flipped1"]
    assert stacks.slices["series"].nunique() == 6


def test_slices_that_share_a_sop_uid_are_kept_and_flagged_and_copies_are_listed(stacks: Outcome) -> None:
    flags = stacks.slices["flags"]
    assert [flags[f"one uid/{n}"] for n in range(3)] == ["sop_uid_repeated"] * 3
    assert stacks.rejected.loc[["twin1", "twin3"], "reason"].tolist() == ["copy"] * 2
    assert stacks.rejected.loc["twin1", "message"] == "the same slice as 'twin0', which is used"
    assert flags[["twin0", "twin2"]].tolist() == ["copies_left_out", ""]


def test_uneven_spacing_is_told_with_its_places(stacks: Outcome) -> None:
    facts = pd.read_csv(stacks.work.folder / "data/own/spacing.csv")
    number = stacks.slices.loc["uneven/0", "series"]
    found = facts.loc[facts["series"] == number, ["fact", "normal_mm"]]
    assert found.to_numpy().tolist() == [["duplicate", 5.0], ["gap", 25.0]]


def test_coronal_slices_are_refused_by_name_alone_or_among_axial_ones(stacks: Outcome) -> None:
    refused = stacks.rejected.index[stacks.rejected["reason"] == "not_axial"]
    assert sorted(refused) == ["coronal/0", "coronal/1", "coronal/2", "mixed/turned"]
    assert order_in(stacks, "mixed") == ["0", "1", "2", "3"]
