"""The table of films: its columns, which film is of which split, labels and folds.

`data/<data set>/films.parquet` is written by preparation and read by every later stage.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hounsfield.competitions.siim2019.paths import FILMS, PREPARE, data_folder
from hounsfield.core.counts import count_of
from hounsfield.core.logs import logger
from hounsfield.core.stages.upstream import RemedyOf, Upstream, require
from hounsfield.core.storage.tables import read_table

TEST_FOLD = -1  # of a film without labels
ALWAYS_TRAINED = -2  # in the training films of every fold, and validated in none: `stage_2` in the published table

# what one pass over a film yields, beside its image
HEADER_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("patient_id", pa.string()),  # pseudonym
    ("view_position", pa.string()),  # PA, AP, LL ...; "" where the header does not say
    ("rows", pa.int32()),  # of the film as it came; masks are encoded at this size
    ("columns", pa.int32()),
    ("photometric", pa.string()),  # MONOCHROME1 was inverted
    ("bits_stored", pa.int16()),
    ("vendor", pa.string()),  # who made the device (dicom.vendors); null in tables of older versions
    ("window_used", pa.string()),  # how stored values became 8 bits: stored, window or range
    ("pixel_digest", pa.string()),  # of the pixels as stored: equal for films that are copies
    ("flags", pa.string()),  # codes of what was odd but used, separated by blanks
)
FILE_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),  # the film's
        ("path", pa.string()),  # in the archive, or below the films' folder
        ("stamp", pa.int64()),  # of place, size, times and inode: tells a file that changed without reading it
        ("content", pa.int64()),  # 63 bits of the digest of the file's bytes
        *HEADER_FIELDS,
        ("image_crc32", pa.int64()),  # of the prepared PNG
    ]
)
FILM_SCHEMA = pa.schema(
    [
        ("film_id", pa.string()),
        ("split", pa.string()),  # train (it has a label) or test
        ("fold", pa.int8()),  # TEST_FOLD, ALWAYS_TRAINED, or the fold that validates on it
        ("label", pa.int8()),  # 1: it shows a pneumothorax; null for test films
        ("mask_pixels", pa.int32()),  # of the prepared mask; null for test films
        ("mask_share", pa.float64()),  # mask_pixels over all pixels; null for test films
        *HEADER_FIELDS,
        ("path", pa.string()),
        ("image_crc32", pa.int64()),
        ("mask_crc32", pa.int64()),  # null where there is no mask
    ]
)


def open_data_set(work: Path, data_set: str, remedy_of: RemedyOf) -> Upstream:
    """A prepared data set. Raises MissingInput or StaleOutput with the command that makes it."""
    return require(work, data_folder(work, data_set), PREPARE, remedy_of)


def read_films(data: Upstream, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """The films of a data set, training films first, sorted by film_id."""
    return read_table(data.file(FILMS), FILM_SCHEMA, remedy=data.remedy, columns=columns)


def split_of(annotated: np.ndarray, may_be_test: np.ndarray, *, negatives_without_rows: bool) -> np.ndarray:
    """The split of each film, (N,) text: train where it is annotated, else test, or missing (its row is).

    annotated, may_be_test: (N,) bool. negatives_without_rows: what would be missing is a negative training film; of
    one's own films, where no folder tells them apart, those that would be test films, too.
    """
    unknown = may_be_test.all() if negatives_without_rows else False
    train = annotated | (negatives_without_rows & ~may_be_test) | (unknown & annotated.any())
    return np.select([train, may_be_test], ["train", "test"], "missing")


def flags_with_copies(films: pd.DataFrame) -> pd.Series:
    """The flags of each film, and one more where another film holds the same pixels."""
    copied = films.duplicated("pixel_digest", keep=False)
    return (films["flags"] + np.where(copied, " copy", "")).str.strip()


def log_films(films: pd.DataFrame, ignored: int) -> None:
    """Say what was kept and what is odd about it. ignored: other files."""
    train = films["split"] == "train"
    logger.info(
        "%s of %s; %d training (%d with a pneumothorax), %d test; %s ignored",
        count_of(len(films), "films"), count_of(films["patient_id"].nunique(), "patients"), train.sum(),
        (films["label"] == 1).sum(), (~train).sum(), count_of(ignored, "other files"),
    )  # fmt: skip
    for used, count in films["window_used"].value_counts().items():
        logger.info("grey levels by %s: %s", used, count_of(count, "films"))
    for flag, count in films["flags"].str.split().explode().value_counts().items():
        logger.info("flagged %d: %s", count, flag)
