"""Where data sets lie below a work folder, whatever their competition."""

from __future__ import annotations

from pathlib import Path


def data_folder(work: Path, data_set: str) -> Path:
    """All that was prepared from one data set."""
    return work / "data" / data_set


def archive_or_folder(work: Path, data_set: str, name: str) -> Path:
    """The data set as it was downloaded: the archive of that name, or the folder it was unpacked to; never changed."""
    folder = work / "data" / "raw" / data_set
    archive = folder / name
    return archive if archive.exists() or not folder.is_dir() else folder
