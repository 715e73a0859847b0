"""From prepared files and annotations to the table of films: splits, masks, labels, folds.

N films.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.competitions.siim2019.config import PrepareConfig
from hounsfield.competitions.siim2019.folds import check_folds, folds_by_size, published_folds
from hounsfield.competitions.siim2019.masks import Annotation, Mask, MaskTask, draw_masks
from hounsfield.competitions.siim2019.paths import masks_folder
from hounsfield.competitions.siim2019.rle_table import Fault, refuse_faults
from hounsfield.competitions.siim2019.source import Source
from hounsfield.competitions.siim2019.tables import ALWAYS_TRAINED, TEST_FOLD, flags_with_copies, split_of
from hounsfield.core.intake.journal import Journal
from hounsfield.core.logs import logger


class FilmTable(NamedTuple):
    """The films that are used (FILM_SCHEMA), and path, reason and message of those that are left out."""

    films: pd.DataFrame
    left_out: pd.DataFrame


def unprepared(source: Source, journal: Journal) -> np.ndarray:
    """True where a film has no recorded result, or one under another identifier, (N,) bool."""
    recorded, _ = journal.join(source.files)
    known = dict(zip(recorded["path"].to_pylist(), recorded["image_id"].to_pylist(), strict=True))
    labels, open_ = source.files.labels.to_pylist(), set(journal.unrecorded(source.files).labels.to_pylist())
    return np.array(
        [label in open_ or known.get(label, film) != film for label, film in zip(labels, source.film_ids, strict=True)]
    )


def film_table(
    source: Source,
    rows: pd.DataFrame,
    settings: PrepareConfig,
    work: Path,
    data_set: str,
    jobs: int | None,
    dask_scheduler: str | None,
) -> FilmTable:
    """Put together the table of films, and write the masks. rows: FILE_SCHEMA, one per file. Raises BadInput."""
    may_be_test = dict(zip(source.film_ids, source.may_be_test, strict=True))
    films = rows.rename(columns={"image_id": "film_id"}).sort_values("film_id", ignore_index=True)
    films["flags"] = flags_with_copies(films)
    films["split"] = split_of(
        films["film_id"].isin(list(source.annotations)).to_numpy(),
        films["film_id"].map(may_be_test).to_numpy(bool),
        negatives_without_rows=settings.negatives_without_rows,
    )
    missing = films["split"] == "missing"
    left_out = [_left_out(films[missing], "no_row", f"has no row in {source.annotated_in}: no label is known")]
    films = films[~missing]
    train = films[films["split"] == "train"]
    tasks = [
        MaskTask(film, (rows_, columns), source.annotations.get(film, Annotation()))
        for film, rows_, columns in zip(train["film_id"], train["rows"], train["columns"], strict=True)
    ]
    masks = draw_masks(
        tasks, masks_folder(work, data_set), settings.image_size, jobs=jobs, dask_scheduler=dask_scheduler
    )
    check_masks(masks, source.annotated_in)
    train = with_masks(train, masks, settings.image_size)
    train["fold"] = _folds(source, train, settings)
    outside = train["fold"] == TEST_FOLD
    left_out.append(_left_out(train[outside], "no_fold", "is not in the table of folds"))
    train = train[~outside]
    if len(train):
        check_folds(train["fold"].to_numpy(), train["label"].to_numpy(), settings.fold_count)
    test = films[films["split"] == "test"].assign(fold=TEST_FOLD)
    return FilmTable(pd.concat([train, test], ignore_index=True), pd.concat(left_out))


def check_masks(masks: list[Mask], annotated_in: str) -> None:
    """Raise BadInput, naming the first ten, where masks cannot be used or most are made for films of another size."""
    refuse_faults(annotated_in, [mask.fault for mask in masks if mask.fault is not None])
    drawn = [mask for mask in masks if mask.crc32 is not None]
    other = [mask for mask in drawn if mask.other_height]
    if 2 * len(other) > len(drawn):
        faults = [Fault("the mask", one.film_id, f"is made for a film of {one.other_height} rows") for one in other]
        refuse_faults(annotated_in, faults)


def with_masks(train: pd.DataFrame, masks: list[Mask], size: int) -> pd.DataFrame:
    """The training films with label, mask_pixels, mask_share and mask_crc32. size: of the masks, pixels."""
    found = pd.DataFrame(masks, columns=list(Mask._fields)).set_index("film_id").reindex(train["film_id"])
    train = train.assign(mask_pixels=found["pixels"].to_numpy(), mask_crc32=found["crc32"].to_numpy())
    train["label"] = (train["mask_pixels"] > 0).astype(np.int8)
    train["mask_share"] = train["mask_pixels"] / size**2
    doubtful = np.where(found["other_height"].to_numpy() > 0, " mask_size_doubtful", "")
    train["flags"] = (train["flags"] + doubtful).str.strip()
    return train


def _folds(source: Source, train: pd.DataFrame, settings: PrepareConfig) -> np.ndarray:
    if source.folds is None:
        return folds_by_size(train, settings.fold_count, settings.fold_seed)
    folds = published_folds(source.folds, source.folds_in, train, settings.fold_count)
    logger.info("folds as published; %d films are always trained on", np.count_nonzero(folds == ALWAYS_TRAINED))
    return folds


def _left_out(films: pd.DataFrame, reason: str, message: str) -> pd.DataFrame:
    return films[["path"]].assign(reason=reason, message=message)
