"""Where data sets lie below a work folder, whatever their competition."""

from __future__ import annotations

from pathlib import Path

SAMPLE = "sample_submission.csv"  # of a data set, where its source has one


def data_folder(work: Path, data_set: str) -> Path:
    """All that was prepared from one data set."""
    return work / "data" / data_set


def sample_submission_path(work: Path, data_set: str) -> Path:
    """The sample submission that came with the archive; written by preparation, read by the submission's stage."""
    return data_folder(work, data_set) / SAMPLE


def raw_archive(work: Path, data_set: str, name: str) -> Path:
    """The data set as it was downloaded: the archive of that name, or the folder it was unpacked to; never changed."""
    folder = work / "data" / "raw" / data_set
    archive = folder / name
    return archive if archive.exists() or not folder.is_dir() else folder
