"""Where a data set of this competition's kind lies below the work folder."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.storage.data_sets import data_folder

ARCHIVE_NAME = "rsna-intracranial-hemorrhage-detection.zip"
# below any top folder; the first spelling is the one that Kaggle serves today, the second that of 2019
TRAIN_FOLDERS = ("stage_2_train", "stage_2_train_images")
TEST_FOLDERS = ("stage_2_test", "stage_2_test_images")
PREPARE = "run_01_prepare_data"  # the stage
SLICES = "slices.parquet"  # of a data set: one row per slice; written by preparation, read by every later stage
IMAGES = "images"  # of a data set: the folder of its prepared JPEGs
PHANTOM = "phantom"  # the data set that is drawn where it is missing


def images_folder(work: Path, data_set: str) -> Path:
    """The prepared JPEGs; written by preparation, read by classifier training and extraction."""
    return data_folder(work, data_set) / IMAGES
