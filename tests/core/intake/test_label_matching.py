"""Which files the rows of a label table are of, by their names."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hounsfield.core.errors import BadInput
from hounsfield.core.intake.label_matching import check_names, places
from hounsfield.core.intake.pseudonyms import Naming

PATHS = ["ward/p0/IM0.dcm", "ward/p0/IM1.dcm", "ward/p1/IM0.dcm"]
NAMING = Naming(b"key")


def files(paths: list[str]) -> pa.Table:
    numbers = range(len(paths))
    return pa.table(
        {
            "path": paths,
            "sop_number": [NAMING.number(f"1.2.{n}") for n in numbers],
            "series_uid": [NAMING.pseudonym(f"1.3.{n}") for n in numbers],
            "study_uid": [NAMING.pseudonym("1.4")] * len(paths),
        }
    )


def found(*keys: str, paths: list[str] = PATHS) -> tuple[str, list[list[int]]]:
    key, of_file = places("file", np.array(keys), files(paths), NAMING, "t.csv")
    return key, [one.tolist() for one in of_file]


@pytest.mark.parametrize(
    "name", ["ward/p1/IM0.dcm", "p1/IM0.dcm", "./p1/IM0.dcm", "p1\\IM0.dcm", "/mnt/ct/ward/p1/IM0.dcm"]
)
def test_a_path_is_known_from_any_folder_on_its_way(name: str) -> None:
    assert found(name, "nothing") == ("file", [[2], []])


def test_a_zip_of_a_patient_is_the_folder_that_it_unpacks_to() -> None:
    packed = ["ward/p0.zip/IM0.dcm", "ward/p1.ZIP/IM0.dcm"]
    assert found("p1/IM0.dcm", "p0.zip/IM0.dcm", paths=packed) == ("file", [[1], [0]])


def test_a_name_with_marks_is_the_same_however_its_system_writes_it() -> None:
    composed, decomposed = "Sch\u00e4del.dcm", "Scha\u0308del.dcm"
    assert found(composed, paths=[decomposed]) == found(decomposed, paths=[composed]) == ("file", [[0]])


def test_the_end_of_several_paths_is_refused_and_a_whole_path_is_not() -> None:
    with pytest.raises(BadInput, match=r"t\.csv: 1 name fits several files.*IM0\.dcm"):
        found("IM0.dcm", "IM1.dcm")
    assert found("p0/IM0.dcm", paths=["p0/IM0.dcm", "other/p0/IM0.dcm"]) == ("file", [[0]])


def test_uids_of_files_are_taken_and_those_of_series_and_studies_named() -> None:
    assert found("1.2.2", "1.2.0", "1.2.9") == ("instance", [[2], [0], []])
    for uid, name in (("1.3.1", "SeriesInstanceUID"), ("1.4", "StudyInstanceUID")):
        with pytest.raises(BadInput, match=rf"t\.csv: .*{name}s: call the column so"):
            found(uid)


def test_names_that_fit_nothing_are_refused_before_files_are_read_but_of_uids_headers_tell() -> None:
    check_names(np.array(["1.2.9"]), pa.array(PATHS), "t.csv")
    check_names(np.array(["IM1"]), pa.array(PATHS), "t.csv")
    with pytest.raises(BadInput, match=r"t\.csv: none of its 2 rows .*'1\.2\.9', the first file is 'ward/p0/IM0"):
        check_names(np.array(["1.2.9", "x"]), pa.array(PATHS), "t.csv")
