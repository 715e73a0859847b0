"""Where a data set of this competition's kind lies below the work folder."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.storage.data_sets import data_folder
from hounsfield.core.storage.image_files import image_path

ARCHIVE_NAME = "siim-acr-pneumothorax-segmentation.zip"
PREPARE = "run_61_pneumothorax_prepare"  # the stage
FILMS = "films.parquet"  # of a data set: one row per film; written by preparation, read by every later stage
PHANTOM = "phantom_films"  # the data set that is drawn where it is missing
SUFFIX = ".png"


def films_folder(work: Path, data_set: str) -> Path:
    """The prepared films: 8-bit grey PNGs."""
    return data_folder(work, data_set) / "films"


def masks_folder(work: Path, data_set: str) -> Path:
    """The masks of the films that show a pneumothorax: PNGs of 0 and 255."""
    return data_folder(work, data_set) / "masks"


def film_path(work: Path, data_set: str, film_id: str) -> Path:
    """The prepared film; written by preparation, read by training and by maps."""
    return image_path(films_folder(work, data_set), film_id, SUFFIX)


def mask_path(work: Path, data_set: str, film_id: str) -> Path:
    """The mask of a positive film; written by preparation, read by training, thresholds and the gallery."""
    return image_path(masks_folder(work, data_set), film_id, SUFFIX)
