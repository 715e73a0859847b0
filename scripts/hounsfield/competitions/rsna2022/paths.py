"""Where a data set of this competition's kind lies below the work folder."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.storage.data_sets import data_folder
from hounsfield.core.storage.image_files import image_path

ARCHIVE_NAME = "rsna-2022-cervical-spine-fracture-detection.zip"
PREPARE = "run_51_spine_prepare"  # the stage
STUDIES = "studies.parquet"  # of a data set: one row per study; written by preparation, read by every later stage
SLICES = "slices.parquet"  # of a data set: one row per slice of each study, from head to feet
PHANTOM = "phantom_necks"  # the data set that is drawn where it is missing
SUFFIX = ".npy"


def volumes_folder(work: Path, data_set: str) -> Path:
    """The volumes of all studies."""
    return data_folder(work, data_set) / "volumes"


def volume_path(work: Path, data_set: str, study_uid: str) -> Path:
    """One study's Hounsfield units, (slices, rows, columns) int16 from head to feet; written by preparation."""
    return image_path(volumes_folder(work, data_set), study_uid, SUFFIX)
