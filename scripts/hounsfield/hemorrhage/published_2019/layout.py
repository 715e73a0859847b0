"""The layout in which embeddings were published in 2019: which file holds what, and which image each row belongs to.

emb{V}_{split}_size{size}_fold{fold}_ep{epoch}.npz holds one array, (rows, width); V is empty (identity), T (flip) or P
(transpose). The images of its rows come from tables that the person gives, or from the pickled loader
loader{V}_{split}_size{size}_fold{fold}_ep{epoch}, which is read as inert data.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.stages.command import ALL
from hounsfield.core.storage.packed_folder import unpack_foreign
from hounsfield.hemorrhage.config import View
from hounsfield.hemorrhage.published_2019.restricted_pickle import frame_column, read_inert
from hounsfield.hemorrhage.published_2019.table_names import TABLE_NAMES
from hounsfield.hemorrhage.published_2019.tables import read_row_order, refuse

NAME = re.compile(r"(emb|loader)([TP]?)_(trn|val|tst)_size\d+_fold(\d+)_ep(\d+)(\.\w+)?")
VIEWS: dict[str, View] = {"": "identity", "T": "hflip", "P": "transpose"}
TRAIN, VALIDATION, TEST = SPLITS = ("trn", "val", "tst")
TRAINED_ON_ALL = 6  # the published number of the fold that holds nothing out; its `val` repeats training slices
MAX_UNPACKED_BYTES = 64 * 10**9  # the published fold is 16 GB; with all three views it would be 48
ASK = "give the row order with --row-order TRN VAL TST: tables with a column Image"


class Part(NamedTuple):
    """What one file of the layout holds."""

    view: View
    split: str
    fold: int  # the published number
    epoch: int


class Layout(NamedTuple):
    """The files of the layout that lie in a folder."""

    arrays: dict[Part, Path]
    loaders: dict[Part, Path]


@dataclass(frozen=True)
class PublishedArray:
    """One array, and where its rows belong."""

    path: Path
    order: Path  # the loader or table that names its images
    trained: bool  # the classifier has learnt from these rows
    rows: np.ndarray  # (rows of the array,) int64, row in slices.parquet


@dataclass(frozen=True)
class PublishedStore:
    """All arrays by one checkpoint; those of a view together cover every slice once."""

    fold: str  # as this project calls it: 0 to 4, or all
    epoch: int
    views: dict[View, list[PublishedArray]]


@contextmanager
def opened_layout(source: Path, unpacked: Path) -> Iterator[Path]:
    """The folder with the layout's files: `source` itself, or `unpacked` for as long as it takes when it is a tar."""
    if source.is_dir():
        yield source
        return
    shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was killed
    try:
        unpack_foreign(source, unpacked, wanted=_is_wanted, max_bytes=MAX_UNPACKED_BYTES)
        yield unpacked
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def find_layout(folder: Path) -> Layout:
    """Find the layout's files at any depth. Raises BadInput when two claim to be the same, MissingInput for none."""
    layout = Layout({}, {})
    for path in sorted(folder.rglob("*")):
        match = NAME.fullmatch(path.name)
        if match is None or (match[1] == "emb") != (match[6] == ".npz"):
            continue
        found = layout.arrays if match[1] == "emb" else layout.loaders
        part = Part(VIEWS[match[2]], match[3], int(match[4]), int(match[5]))
        if part in found:
            raise BadInput(f"{path} and {found[part]} hold the same part of the layout; move one away")
        found[part] = path
    if not layout.arrays:
        raise MissingInput(f"{folder}: no file is called like emb_trn_size480_fold1_ep0.npz")
    return layout


def find_table(name: str, folder: Path, source: Path) -> Path:
    """A table by its published name: in the folder (any depth), else beside the source, where it may be missing."""
    found = sorted(folder.rglob(name))
    if len(found) > 1:
        raise BadInput(f"{found[0]} and {found[1]} have the same name; name one of them with its option")
    return found[0] if found else source.parent / name


def plan_stores(
    layout: Layout, slices: pd.DataFrame, *, tables: Sequence[Path] | None, folds: Sequence[str] | None
) -> list[PublishedStore]:
    """Place the rows of all arrays in the table of slices, before anything is written.

    tables: row orders of trn, val, tst, in place of the loaders; they fit one fold only. folds: those wanted.
    Raises MissingInput for a missing file, BadInput listing the first ten images that do not fit, and WrongUse.
    """
    found = sorted({name_of_fold(part.fold) for part in layout.arrays})
    absent = sorted(set(folds or ()) - set(found))
    if absent:
        raise MissingInput(f"no embeddings of fold {', '.join(absent)}; there are those of {', '.join(found)}")
    if tables is not None and len(folds or found) > 1:
        raise WrongUse(f"--row-order fits one fold, and there are {', '.join(found)}; choose one with --fold")
    wanted = folds or found
    checkpoints = sorted({(part.fold, part.epoch) for part in layout.arrays if name_of_fold(part.fold) in wanted})
    placed: dict[Part, np.ndarray] = {}  # the same table serves every epoch and view
    return [_plan_store(layout, slices, tables, number, epoch, placed) for number, epoch in checkpoints]


def name_of_fold(number: int) -> str:
    """A published fold number as this project calls it."""
    return ALL if number == TRAINED_ON_ALL else str(number)


def _plan_store(
    layout: Layout,
    slices: pd.DataFrame,
    tables: Sequence[Path] | None,
    fold: int,
    epoch: int,
    placed: dict[Part, np.ndarray],
) -> PublishedStore:
    there = {part.view for part in layout.arrays if (part.fold, part.epoch) == (fold, epoch)}
    store = PublishedStore(name_of_fold(fold), epoch, {view: [] for view in VIEWS.values() if view in there})
    for view, arrays in store.views.items():
        for split in SPLITS if fold != TRAINED_ON_ALL else (TRAIN, TEST):
            part = Part(view, split, fold, epoch)
            if part not in layout.arrays:
                raise MissingInput(f"fold {fold}, epoch {epoch}, {view}: the embeddings of {split} are missing")
            order = _row_order_path(part, layout, tables)
            known = part if tables is None else Part("identity", split, fold, 0)
            if known not in placed:
                placed[known] = _place(part, order, slices)
            arrays.append(PublishedArray(layout.arrays[part], order, split == TRAIN, placed[known]))
        _refuse_gaps(f"fold {fold}, epoch {epoch}, {view}", arrays, slices["image_id"])
    return store


def _row_order_path(part: Part, layout: Layout, tables: Sequence[Path] | None) -> Path:
    if tables is not None:
        return tables[SPLITS.index(part.split)]
    if part not in layout.loaders:
        raise MissingInput(f"{layout.arrays[part]}: the loader beside it is missing; {ASK}")
    return layout.loaders[part]


def _place(part: Part, order: Path, slices: pd.DataFrame) -> np.ndarray:
    """The row in slices.parquet of each row of a part; the images must be of its fold and split in the tables, too."""
    images = np.array(_images(order), dtype=object)
    rows = pd.Index(slices["image_id"].astype(object)).get_indexer(images)
    refuse(str(order), "images that are no slices of the tables", images[rows < 0])
    fits = slices["split"].to_numpy()[rows] == ("test" if part.split == TEST else "train")
    if part.fold != TRAINED_ON_ALL and part.split != TEST:
        held_out = slices["fold"].to_numpy()[rows] == part.fold
        fits &= held_out == (part.split == VALIDATION)
    refuse(str(order), f"images that are not {part.split} of fold {part.fold} in the tables", images[~fits])
    return rows


def _images(order: Path) -> list[str]:
    """The images of an array's rows: from a table, or from the loader's data frame."""
    if order.name.endswith((".csv", ".csv.gz", ".parquet")):
        return read_row_order(order)
    loader = read_inert(order)
    try:
        frame = loader.state["dataset"].state["data"]
    except (AttributeError, LookupError, TypeError):
        raise BadInput(f"{order} holds no loader with a data set; {ASK}") from None
    return frame_column(frame, "Image")


def _refuse_gaps(source: str, arrays: Sequence[PublishedArray], images: pd.Series) -> None:
    """Every slice once, or an error that lists the first ten."""
    times = np.bincount(np.concatenate([array.rows for array in arrays]), minlength=len(images))
    refuse(source, "slices without embeddings", images[times == 0])
    refuse(source, "slices with several embeddings", images[times > 1])


def _is_wanted(name: str) -> bool:
    return NAME.fullmatch(name) is not None or name in TABLE_NAMES
