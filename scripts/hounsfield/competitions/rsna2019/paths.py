"""Where a data set of this competition's kind lies below the work folder."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.storage.data_sets import archive_or_folder, data_folder

ARCHIVE_NAME = "rsna-intracranial-hemorrhage-detection.zip"
# below any top folder; the first spelling is the one that Kaggle serves today, the second that of 2019
TRAIN_FOLDERS = ("stage_2_train", "stage_2_train_images")
TEST_FOLDERS = ("stage_2_test", "stage_2_test_images")
PREPARE = "run_01_prepare_data"  # the stage
SLICES = "slices.parquet"  # of a data set: one row per slice; written by preparation, read by every later stage
IMAGES = "images"  # of a data set: the folder of its prepared JPEGs
PHANTOM = "phantom"  # the data set that is drawn where it is missing


def raw_archive(work: Path, data_set: str) -> Path:
    """The competition's archive as it was downloaded, or the folder it was unpacked to."""
    return archive_or_folder(work, data_set, ARCHIVE_NAME)


def images_folder(work: Path, data_set: str) -> Path:
    """The prepared JPEGs; written by preparation, read by classifier training and extraction."""
    return data_folder(work, data_set) / IMAGES


def sample_submission_path(work: Path, data_set: str) -> Path:
    """The sample submission that came with the archive; written by preparation, read by bagging."""
    return data_folder(work, data_set) / "sample_submission.csv"
