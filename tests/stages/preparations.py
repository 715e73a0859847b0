"""Preparations of a few files of one's own, and the tables that a preparation writes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from conftest import Work, work_at
from dicom_files import ct_file
from programs import run_program

PLAIN = ct_file()
TABLE = ("--data_set", "own", "--jobs", 1, "--prepare.bad_share", 1)


class Outcome(NamedTuple):
    work: Work
    slices: pd.DataFrame  # by path
    rejected: pd.DataFrame  # by path
    folder: Path  # of the input


def prepare(folder: Path, work: Work) -> Outcome:
    run_program("rsna2019_prepare", *work.arguments, "--images", folder, *TABLE)
    data = work.folder / "data" / "own"
    slices = pd.read_parquet(data / "slices.parquet").set_index("path")
    return Outcome(work, slices, pd.read_csv(data / "rejected.csv").set_index("path"), folder)


def apart(content: bytes, number: int) -> bytes:
    """The file with patient, study and SOP instance identifiers of its own, where it holds the plain ones."""
    content = content.replace(b"ID_patient", b"ID_p%06d" % number)
    content = content.replace(b"UI\6\x001.2.3\0", b"UI\6\x001.%03d\0" % number)
    return content.replace(b"UI\b\x001.2.3.4\0", b"UI\b\x001.2.%03d\0" % number)


def table(work: Work, data_set: str = "phantom") -> pd.DataFrame:
    return pd.read_parquet(work.folder / "data" / data_set / "slices.parquet")


def rejected(work: Work, data_set: str = "phantom") -> pd.DataFrame:
    return pd.read_csv(work.folder / "data" / data_set / "rejected.csv")


def own(tmp_path: Path, **files: bytes) -> tuple[Work, tuple[object, ...]]:
    """A folder of own files and the arguments that prepare it."""
    (tmp_path / "ct").mkdir()
    for name, content in files.items():
        (tmp_path / "ct" / name).write_bytes(content)
    return work_at(tmp_path / "work"), ("--images", tmp_path / "ct", "--data_set", "own", "--jobs", 1)
